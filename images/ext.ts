import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { StepContext } from '../host/progress.ts';
import type { CopyInFilesystem, Filesystem } from './filesystem.ts';
import { mkfs } from './mkfs.ts';
import { lookAtDisk, type RawDisk, refuseNoFolder } from './raw-disk.ts';
import { type TreeSize, treeSize } from './tree-size.ts';

const MIB = 1024 * 1024;
const BLOCK = 4096;
const INODE = 256;
/** One inode for so many bytes: twice as many as mke2fs would make, at 3 % of the disk, mostly not written. */
const BYTES_PER_INODE = 8192;

/** UUID and hash seed are the same on every disk: nothing tells disks apart by them, and equal trees compare equal. */
const UUID = '5f0c1e9a-7d43-4b7e-9c56-0a1f6e2b8d31';

/** What the extended filesystems differ in. */
export interface ExtOptions {
  name: 'ext2' | 'ext3' | 'ext4';
  /** All that is on, beside nothing. */
  features: readonly string[];
  /** On too where inode tables are not known to be zeros: they are left as they are then, and so says the disk. */
  lazyTables?: string;
  mountOptions: readonly string[];
  /** The smallest disk that is sure to do, MiB. */
  leastMiB: number;
}

/** One of the extended filesystems, made by mke2fs, which can also fill it. */
export function ext(options: ExtOptions): CopyInFilesystem {
  const { name, mountOptions } = options;
  return {
    name,
    // One driver for all of them.
    modules: ['ext4'],
    mountOptions,
    content: 'device',
    make: async (disk, context) => makeFilesystem(options, await lookAtDisk(disk), undefined, context),
    copyIn: async (disk, tree, context) => {
      const raw = await lookAtDisk(disk);
      await refuseNoFolder(tree);
      const size = await treeSize(tree, context.signal);
      const stop = reportGrowth(name, raw, size.bytes, context);
      try {
        await makeFilesystem(options, raw, { path: tree, size }, context);
      } finally {
        stop();
      }
      context.report({ what: name, done: size.bytes, total: size.bytes, unit: 'bytes' });
    },
  } satisfies Filesystem;
}

async function makeFilesystem(
  options: ExtOptions,
  disk: RawDisk,
  tree: { path: string; size: TreeSize } | undefined,
  context: StepContext,
): Promise<void> {
  const { name, features, lazyTables } = options;
  const lazy = disk.state === 'fresh' || lazyTables === undefined ? [] : [lazyTables];
  const inodes = tree?.size.inodes ?? 0;
  const own = [
    ...['-O', ['none', ...features, ...lazy].join(','), '-b', `${BLOCK}`, '-I', `${INODE}`, '-m', '0'],
    ...['-N', `${inodeCount(disk.bytes, inodes)}`, '-U', UUID],
  ];
  const common = [
    ...(tree === undefined ? [] : ['-d', resolve(tree.path)]),
    // Relative to its folder: libext2fs takes what follows a `?` in a path for options.
    `./${basename(disk.path)}`,
  ];
  await mkfs(
    {
      filesystem: name,
      program: 'mke2fs',
      debianPackage: 'e2fsprogs',
      disk,
      tree: tree?.size,
      attempts: [
        ['-q', '-F', ...own, '-E', extended(disk).join(','), ...common],
        ['-q', '-F', ...own, ...common],
        ['-q', '-F', '-t', name, ...common],
      ],
      run: {
        cwd: dirname(disk.path),
        // The host's mke2fs.conf has no say, but what mke2fs does where there is none: an empty one would have the plain
        // attempt make an ext2 that drops capabilities. A fixed clock makes the times of the filesystem reproducible.
        env: {
          MKE2FS_CONFIG: '/nonexistent/mke2fs.conf',
          E2FSPROGS_FAKE_TIME: '1',
          E2FSPROGS_UNDO_DIR: 'none',
        },
      },
      tooSmall:
        /Could not allocate|No free space in|too big for a\s+filesystem|not enough space|too small|apparently zero/i,
      leastMiB: () => leastFor(tree?.size, options),
    },
    context,
  );
}

function extended({ state }: RawDisk): string[] {
  const always = ['root_owner=0:0', `hash_seed=${UUID}`, 'lazy_itable_init=1', 'lazy_journal_init=1'];
  // A discard makes holes: on devices and sparse files that is wanted, reserved room would be given back.
  if (state === 'fresh') return [...always, 'assume_storage_prezeroed=1', 'nodiscard'];
  return [...always, state === 'allocated' ? 'nodiscard' : 'discard'];
}

/** Enough for the tree and half as much again, however small its files are; a build adds to it. */
function inodeCount(size: number, inodes: number): number {
  return Math.max(Math.floor(size / BYTES_PER_INODE), Math.ceil(inodes * 1.5) + 1024);
}

function leastFor(tree: TreeSize | undefined, { leastMiB }: ExtOptions): number {
  if (tree === undefined) return leastMiB;
  const inodes = Math.ceil(tree.inodes * 1.5) + 1024;
  // Each file wastes less than a block at its end; a tenth for indirect blocks and group descriptors.
  return Math.ceil((1.1 * (tree.bytes + tree.inodes * BLOCK + inodes * INODE)) / MIB) + leastMiB;
}

/** mke2fs says nothing while it copies; what a file holds of the disk tells how far it is. */
function reportGrowth(what: string, disk: RawDisk, total: number, context: StepContext): () => void {
  if (disk.state === 'device') return () => undefined;
  const timer = setInterval(() => {
    const held = (statSync(disk.path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    context.report({ what, done: Math.min(held, total), total, unit: 'bytes' });
  }, 500);
  return () => clearInterval(timer);
}
