import { mkdir, rm } from 'node:fs/promises';
import type { StepContext } from '../host/progress.ts';
import type { Filesystem, FillWay } from './filesystem.ts';

export interface Fill {
  filesystem: Filesystem;
  /** Default: `copyin` where the filesystem can. */
  way?: FillWay | undefined;
  /** A raw file or block device in its full size. What lies there already is replaced. */
  disk: string;
  /** Where the tree is unpacked, or the disk is mounted; absent again afterwards. */
  tree: string;
  context: StepContext;
}

/**
 * Makes a filesystem on a disk and puts into it what `unpack` puts into the folder that it is given.
 * @throws SlipwayFailure DiskFull, ScratchFull, HostUnfit
 */
export async function fillDisk(
  { filesystem, disk, tree, context }: Fill,
  unpack: (tree: string) => Promise<void>,
): Promise<void> {
  if (filesystem.copyIn === undefined)
    throw new Error(`${filesystem.name} cannot be filled without a mount yet`);
  await rm(tree, { recursive: true, force: true });
  await mkdir(tree, { mode: 0o755 });
  await unpack(tree);
  await filesystem.copyIn(disk, tree, context);
  // The disk has it all; from here on the tree would only take room.
  await rm(tree, { recursive: true, force: true });
}
