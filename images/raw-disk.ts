import { lstat, readFile, realpath, stat } from 'node:fs/promises';
import { deviceNumber } from '../host/device-number.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/**
 * What may be assumed of a disk that gets a filesystem. `fresh`: a file that has nothing in it and reads as zeros;
 * `sparse`: a file with holes; `allocated`: a file whose room was reserved; `device`: a block device.
 */
export type DiskState = 'fresh' | 'sparse' | 'allocated' | 'device';

export interface RawDisk {
  /** Absolute, without symlinks. */
  path: string;
  bytes: number;
  state: DiskState;
}

/**
 * Looks at a disk before anything is written on it. A block device may be named by a symlink, as logical volumes are; a
 * link to a file is refused, as somebody may have put it there.
 * @throws SlipwayFailure HostUnfit where it is no disk
 */
export async function lookAtDisk(disk: string): Promise<RawDisk> {
  const stats = await stat(disk, { bigint: true }).catch((cause: NodeJS.ErrnoException) => {
    throw unfit(`the disk ${disk} cannot be used: ${cause.message}`, cause);
  });
  const path = await realpath(disk);
  if (stats.isBlockDevice()) {
    const { major, minor } = deviceNumber(stats.rdev);
    const sectors = await readFile(`/sys/dev/block/${major}:${minor}/size`, 'latin1').catch(
      (cause: Error) => {
        throw unfit(`the disk ${disk} is a node without a device: ${cause.message}`, cause);
      },
    );
    return { path, bytes: Number(sectors) * 512, state: 'device' };
  }
  if (stats.isDirectory()) throw unfit(`the disk ${disk} is a folder`);
  if (!stats.isFile()) throw unfit(`the disk ${disk} is neither a regular file nor a block device`);
  if ((await lstat(disk)).isSymbolicLink()) throw unfit(`the disk ${disk} is a symlink to a file`);
  const held = stats.blocks * 512n;
  const state = held === 0n ? 'fresh' : held < stats.size ? 'sparse' : 'allocated';
  return { path, bytes: Number(stats.size), state };
}

/** @throws SlipwayFailure HostUnfit where a tree that is to be copied is no folder */
export async function refuseNoFolder(tree: string): Promise<void> {
  const stats = await lstat(tree).catch((cause: NodeJS.ErrnoException) => {
    throw unfit(`the tree ${tree} cannot be copied: ${cause.message}`, cause);
  });
  if (!stats.isDirectory()) throw unfit(`the tree ${tree} is no folder`);
}

function unfit(message: string, cause?: unknown): SlipwayFailure {
  return new SlipwayFailure('HostUnfit', message, {
    advice:
      'A disk is a raw file or a block device in its full size, in the scratch folder or as configured.',
    ...(cause === undefined ? {} : { cause }),
  });
}
