import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { StepContext } from '../host/progress.ts';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Filesystem } from './filesystem.ts';
import { type TreeSize, treeSize } from './tree-size.ts';

const MIB = 1024 * 1024;
const BLOCK = 4096;
const INODE = 256;
/** One inode for so many bytes: twice as many as mke2fs would make, at 3 % of the disk, none of it written. */
const BYTES_PER_INODE = 8192;

/**
 * All that is on, beside nothing: no journal (nobody reads a disk whose guest crashed), no checksums (the host's memory
 * is trusted), no inline_data (its content has no extents that the host could read), no resize_inode. Without ext_attr
 * mke2fs would drop file capabilities without a word.
 */
const FEATURES =
  'none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,huge_file,large_file,sparse_super';

/** UUID and hash seed are the same on every disk: nothing tells disks apart by them, and equal trees compare equal. */
const UUID = '5f0c1e9a-7d43-4b7e-9c56-0a1f6e2b8d31';

/** 24 hours: a disk of terabytes takes long to fill, and the caller's signal bounds it anyway. */
const TIME_LIMIT = 24 * 3600 * 1000;

/** ext4 for a disk that is thrown away: fast to make, fast to write, nothing kept for a crash. */
export const ext4: Required<Filesystem> = {
  name: 'ext4',
  modules: ['ext4'],
  // No barriers and no flush on rename: the disk need not outlive a crash. errors=panic: a broken disk is the host's
  // fault and must end as GuestCrashed, not as a build that failed on a read-only filesystem.
  mountOptions: ['noatime', 'nobarrier', 'noauto_da_alloc', 'errors=panic'],
  content: 'device',
  make,
  copyIn: fill,
};

async function fill(disk: string, tree: string, context: StepContext): Promise<void> {
  const size = statSync(disk).size;
  const needed = await treeSize(tree, context.signal);
  const stop = reportGrowth(disk, needed.bytes, context);
  try {
    await makeFilesystem(disk, size, tree, needed.inodes, context.signal);
  } catch (error) {
    throw error instanceof CommandFailed ? typed(error, size, needed) : error;
  } finally {
    stop();
  }
  context.report({ what: 'ext4', done: needed.bytes, total: needed.bytes, unit: 'bytes' });
}

async function make(disk: string, context: StepContext): Promise<void> {
  const size = statSync(disk).size;
  try {
    await makeFilesystem(disk, size, undefined, 0, context.signal);
  } catch (error) {
    throw error instanceof CommandFailed ? typed(error, size, { bytes: 0, inodes: 0 }) : error;
  }
}

async function makeFilesystem(
  disk: string,
  size: number,
  tree: string | undefined,
  inodes: number,
  signal: AbortSignal,
): Promise<void> {
  const options = ['assume_storage_prezeroed=1', 'nodiscard', 'root_owner=0:0', `hash_seed=${UUID}`];
  await run(
    [
      ...(['mke2fs', '-q', '-F', '-O', FEATURES, '-b', `${BLOCK}`, '-I', `${INODE}`, '-m', '0'] as const),
      ...['-N', `${inodeCount(size, inodes)}`, '-U', UUID, '-E', options.join(',')],
      ...(tree === undefined ? [] : ['-d', resolve(tree)]),
      `./${basename(disk)}`,
    ],
    {
      // Relative to its folder: libext2fs takes what follows a `?` in a path for options.
      cwd: dirname(resolve(disk)),
      // The host's mke2fs.conf has no say. A fixed clock makes the times of the filesystem itself reproducible.
      env: { MKE2FS_CONFIG: '/dev/null', E2FSPROGS_FAKE_TIME: '1', E2FSPROGS_UNDO_DIR: 'none' },
      signal,
      timeout: TIME_LIMIT,
    },
  );
}

/** Enough for the tree and half as much again, however small its files are; a build adds to it. */
function inodeCount(size: number, inodes: number): number {
  return Math.max(Math.floor(size / BYTES_PER_INODE), Math.ceil(inodes * 1.5) + 1024);
}

/** mke2fs says nothing while it copies; what the file holds of the disk tells how far it is. */
function reportGrowth(disk: string, total: number, context: StepContext): () => void {
  const timer = setInterval(() => {
    const held = (statSync(disk, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    const done = Math.min(held, total);
    context.report({ what: 'ext4', done, total, unit: 'bytes' });
  }, 500);
  return () => clearInterval(timer);
}

function typed(error: CommandFailed, size: number, tree: TreeSize): Error {
  if (error.code === 'ENOENT') {
    const message = 'mke2fs is not installed: install the Debian package e2fsprogs';
    return new SlipwayFailure('HostUnfit', message, { cause: error });
  }
  if (/No space left on device|Disk quota exceeded/.test(error.stderr)) {
    const message = `the host has no room for what the disk of the guest holds: ${error.message}`;
    return new SlipwayFailure('ScratchFull', message, { cause: error });
  }
  if (/Could not allocate|No free space in|too big for a\s+filesystem|not enough space/i.test(error.stderr)) {
    return diskFull(error, size, tree);
  }
  return error;
}

function diskFull(cause: CommandFailed, size: number, tree: TreeSize): SlipwayFailure {
  const inodes = Math.ceil(tree.inodes * 1.5) + 1024;
  // Each file wastes less than a block at its end; a tenth for indirect extents and group descriptors.
  const least = Math.ceil((1.1 * (tree.bytes + tree.inodes * BLOCK + inodes * INODE)) / MIB) + 8;
  const message =
    `the build root does not fit: ${Math.ceil(tree.bytes / MIB)} MiB in ${tree.inodes} files ` +
    `on a disk of ${Math.floor(size / MIB)} MiB`;
  const advice = `Raise resources.diskMiB to ${least} at the least, and by what the build itself needs.`;
  return new SlipwayFailure('DiskFull', message, { advice, cause });
}
