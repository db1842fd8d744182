import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { bootInitramfs } from '../../guest/initramfs.ts';
import { toolkitInitramfs } from '../../guest/toolkit.ts';
import type { Disks } from '../../images/disk-places.ts';
import { ext4 } from '../../images/ext4.ts';
import { guestFilesystem } from '../../images/filesystem.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import type { GuestCommand, GuestSpec } from '../../vm/vm.ts';
import { busyboxTree, shell, testKernel } from './busybox-guest.ts';

export interface TinyGuest {
  /** What `/bin/sh` runs, in a build root of nothing but busybox; `$NONCE` is that of the boot. */
  script: string;
  user?: GuestCommand['user'];
  limits?: Partial<GuestSpec['limits']>;
  /** Where disk and swap are, empty. Default: files in the folder. */
  disks?: Disks;
}

export const GUEST_LIMITS = {
  bootSeconds: 60,
  heartbeatSeconds: 30,
  logSilenceSeconds: 60,
  totalSeconds: 120,
  logBytes: 1024 ** 2,
};

/** Makes all that a boot needs in `folder`, for a VM that is run by the real QEMU. */
export async function tinyGuest(
  folder: string,
  { script, user, limits, disks }: TinyGuest,
): Promise<GuestSpec> {
  const path = (name: string) => join(folder, name);
  const kernel = await testKernel();
  const nonce = randomBytes(16).toString('hex');
  const command = shell(script, user);
  const spec: GuestSpec = {
    ...{ phase: 'build', nonce, architecture: 'amd64', cpus: 1, memoryMiB: 256, outputDirectory: '/out' },
    ...{ disk: path('disk'), swap: path('swap'), kernel: kernel.image, initramfs: path('initramfs') },
    filesystem: guestFilesystem(ext4),
    commands: [{ ...command, env: { ...command.env, NONCE: nonce } }],
    limits: { ...GUEST_LIMITS, ...limits },
    ...disks,
  };
  if (disks === undefined) {
    await createSparseFile(spec.disk, 32);
    await createSparseFile(spec.swap, 16);
  }
  await busyboxTree(path('tree'));
  await ext4.copyIn(spec.disk, path('tree'), { signal: AbortSignal.timeout(60_000), report: () => {} });
  await toolkitInitramfs({ kernel, filesystemModules: ext4.modules, into: path('toolkit') });
  await bootInitramfs({
    spec,
    toolkit: path('toolkit'),
    into: spec.initramfs,
  });
  return spec;
}
