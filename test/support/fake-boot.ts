import { join } from 'node:path';
import { createSparseFile } from '../../images/sparse-file.ts';
import type { GuestSpec } from '../../vm/vm.ts';

/** A boot for a fake guest: an empty disk and swap of 16 MiB each in `folder`, limits that it does not run into. */
export async function fakeBoot(
  folder: string,
  { limits, ...more }: Partial<Omit<GuestSpec, 'limits'>> & { limits?: Partial<GuestSpec['limits']> } = {},
): Promise<GuestSpec> {
  const disk = join(folder, 'disk');
  const swap = join(folder, 'swap');
  for (const file of [disk, swap]) await createSparseFile(file, 16);
  return {
    ...{ phase: 'build', nonce: 'f0'.repeat(16), architecture: 'amd64', cpus: 1, memoryMiB: 128, disk, swap },
    ...{ kernel: 'none', initramfs: 'none', outputDirectory: '/out' },
    filesystem: { name: 'ext4', mountOptions: [], content: 'device' },
    commands: [{ argv: ['true'], env: {}, user: 'builder', cwd: '/' }],
    ...more,
    limits: {
      ...{
        bootSeconds: 20,
        heartbeatSeconds: 20,
        logSilenceSeconds: 20,
        totalSeconds: 30,
        logBytes: 1_000_000,
      },
      ...limits,
    },
  };
}
