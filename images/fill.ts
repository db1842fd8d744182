import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { StepContext } from '../host/progress.ts';
import { asScratchFull } from '../host/scratch.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { copyTree } from './copy-tree.ts';
import type { Filesystem, FillWay } from './filesystem.ts';
import { asDiskFull } from './full-disk.ts';
import { type MountedDisk, mountDisk } from './mounted-disk.ts';
import { lookAtDisk } from './raw-disk.ts';
import { undoMounts } from './undo-mounts.ts';

export interface Fill {
  filesystem: Filesystem;
  /** Default: `copyin`. A filesystem that cannot, or not with this tree, is mounted all the same. */
  way?: FillWay | undefined;
  /** A raw file or block device in its full size. What lies there already is replaced. */
  disk: string;
  /**
   * Where the tree is unpacked, or the disk is mounted; absent again afterwards. What a killed worker left mounted is
   * found from its parent alone (`undoMounts`).
   */
  tree: string;
  context: StepContext;
}

/** Writes into the folder that it is given; ends when its context says so. */
export type Unpack = (tree: string, context: StepContext) => Promise<void>;

/**
 * Makes a filesystem on a disk and puts into it what `unpack` puts into the folder that it is given.
 * @throws SlipwayFailure DiskFull, ScratchFull, HostUnfit: nothing is mounted any more then, or it says what is
 */
export async function fillDisk(fill: Fill, unpack: Unpack): Promise<void> {
  const { filesystem, way = 'copyin', disk, tree, context } = fill;
  await undoMounts(dirname(tree));
  await lookAtDisk(disk);
  await rm(tree, { recursive: true, force: true });
  await mkdir(tree, { mode: 0o755 });
  if (way === 'mount' || filesystem.copyIn === undefined) {
    await throughMount(fill, tree, unpack);
  } else {
    await unpack(tree, context).catch((error: unknown) => {
      throw asScratchFull(error, dirname(tree));
    });
    if (await canCopyIn(filesystem, tree, context)) await filesystem.copyIn(disk, tree, context);
    else await copyThroughMount(fill);
  }
  // The disk has it all; from here on the tree would only take room.
  await rm(tree, { recursive: true, force: true });
}

async function canCopyIn(filesystem: Filesystem, tree: string, { signal }: StepContext): Promise<boolean> {
  return filesystem.canCopyIn === undefined || (await filesystem.canCopyIn(tree, signal));
}

async function copyThroughMount(fill: Fill): Promise<void> {
  const at = `${fill.tree}.mount`;
  await rm(at, { recursive: true, force: true });
  await mkdir(at, { mode: 0o755 });
  await throughMount(fill, at, (path, context) => copyTree(fill.tree, path, context));
  await rm(at, { recursive: true });
}

async function throughMount(fill: Fill, at: string, unpack: Unpack): Promise<void> {
  const { filesystem, disk, context } = fill;
  await filesystem.make(disk, context);
  const mounted = await mountDisk({ filesystem, disk, at, signal: context.signal });
  try {
    await unpack(mounted.path, { ...context, signal: AbortSignal.any([context.signal, mounted.ended]) });
    mounted.ended.throwIfAborted();
    await mounted.unmount();
  } catch (error) {
    const failure = endedTooEarly(mounted, error) ?? (await asDiskFull(error, fill, dirname(at)));
    // What stays all the same is found and told by whoever deletes the scratch folder; this says why it came to that.
    await mounted.release(2000).catch(() => undefined);
    context.signal.throwIfAborted();
    throw failure;
  }
  await mounted.release();
}

/** Where the mount ended, whatever else went wrong followed from that. */
function endedTooEarly({ ended }: MountedDisk, cause: unknown): SlipwayFailure | undefined {
  if (!ended.aborted) return undefined;
  return new SlipwayFailure('HostUnfit', 'the mount of the disk ended while it was filled', {
    advice: 'Something on the host ended the process that held it (hold-mount.sh).',
    cause,
  });
}
