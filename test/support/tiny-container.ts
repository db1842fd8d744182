import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { bootInitramfs } from '../../guest/initramfs.ts';
import { toolkitInitramfs } from '../../guest/toolkit.ts';
import { ext4 } from '../../images/ext4.ts';
import { guestFilesystem } from '../../images/filesystem.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import type { GuestSpec } from '../../vm/vm.ts';
import { busyboxTree, shell } from './busybox-guest.ts';
import { GUEST_LIMITS, type TinyGuest } from './tiny-guest.ts';

export interface TinyContainer extends TinyGuest {
  spec?: Partial<GuestSpec>;
  /** Fills the build root further. */
  fill?(tree: string): Promise<void>;
  /** In the place of an ext4 disk with the build root. */
  makeDisk?(disk: string, swap: string): Promise<void>;
}

/** As `tinyGuest`, without a kernel: for a container. */
export async function tinyContainer(
  folder: string,
  { script, user, limits, disks, spec: more, fill, makeDisk }: TinyContainer,
): Promise<GuestSpec> {
  const path = (name: string) => join(folder, name);
  const nonce = randomBytes(16).toString('hex');
  const command = shell(script, user);
  const spec: GuestSpec = {
    ...{ phase: 'build', nonce, architecture: 'amd64', cpus: 1, memoryMiB: 256, outputDirectory: '/out' },
    ...{ disk: path('disk'), swap: path('swap'), kernel: '/dev/null', initramfs: path('initramfs') },
    filesystem: guestFilesystem(ext4),
    commands: [{ ...command, env: { ...command.env, NONCE: nonce } }],
    limits: { ...GUEST_LIMITS, ...limits },
    ...disks,
    ...more,
  };
  if (disks === undefined) {
    await createSparseFile(spec.disk, 32);
    await createSparseFile(spec.swap, 16);
  }
  if (makeDisk !== undefined) await makeDisk(spec.disk, spec.swap);
  else {
    await busyboxTree(path('tree'));
    await fill?.(path('tree'));
    await ext4.copyIn(spec.disk, path('tree'), { signal: AbortSignal.timeout(60_000), report: () => {} });
  }
  await toolkitInitramfs({ filesystemModules: [], into: path('toolkit') });
  await bootInitramfs({ spec, toolkit: path('toolkit'), into: spec.initramfs });
  return spec;
}
