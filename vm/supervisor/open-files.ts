import { chmodSync, constants, copyFileSync, fstatSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FILES } from '../folder.ts';
import type { GuestSpec } from '../vm.ts';

/** Numbers of the open files that a monitor is given: it needs no right to any of their paths. */
export const MONITOR_FDS = {
  disk: 3,
  swap: 4,
  log: 5,
  control: 6,
  console: 7,
  kernel: 8,
  initramfs: 9,
} as const;

/**
 * Opens them with the supervisor's rights, in the order of their numbers.
 * @param exclusive block devices so that, as long as the guest runs, nobody mounts them or makes a filesystem there
 */
export function openFiles(folder: string, spec: GuestSpec, exclusive = false): number[] {
  const append = (name: 'log' | 'control' | 'console') => openSync(join(folder, FILES[name]), 'a', 0o600);
  return [
    openDisk(spec.disk, exclusive),
    openDisk(spec.swap, exclusive),
    append('log'),
    append('control'),
    append('console'),
    openForAll(spec.kernel, join(folder, 'kernel')),
    openForAll(spec.initramfs, join(folder, 'initramfs')),
  ];
}

function openDisk(path: string, exclusive: boolean): number {
  const alone = exclusive && statSync(path).isBlockDevice();
  return openSync(path, constants.O_RDWR | (alone ? constants.O_EXCL : 0));
}

/**
 * QEMU opens kernel and initramfs by name (it takes no descriptor for them). /proc/self/fd leads it past folders that
 * it may not enter, but the file itself must be readable by all; where it is not, the guest gets a copy.
 */
function openForAll(path: string, copy: string): number {
  const file = openSync(path, 'r');
  if ((fstatSync(file).mode & 0o004) !== 0) return file;
  copyFileSync(path, copy, constants.COPYFILE_FICLONE);
  chmodSync(copy, 0o444);
  return openSync(copy, 'r');
}
