import { basename, dirname, resolve } from 'node:path';
import type { StepContext } from '../host/progress.ts';
import { run } from '../host/run.ts';
import type { SlipwayFailure } from '../schema/failures.ts';
import type { CopyInFilesystem } from './filesystem.ts';
import { mkfs, treeTooLarge } from './mkfs.ts';
import { lookAtDisk, type RawDisk, refuseNoFolder } from './raw-disk.ts';
import { type TreeSize, treeSize } from './tree-size.ts';

const MIB = 1024 * 1024;

/** For one copy of everything (btrfs-progs 6.2). */
const LEAST_MIB = 46;

/**
 * btrfs for a disk that is thrown away: one copy of everything, no checksums of data. Its extents are addresses of its
 * own, not of the disk: results follow in the swap.
 */
export const btrfs: CopyInFilesystem = {
  name: 'btrfs',
  modules: ['btrfs'],
  // nodatacow: written in place, without checksums.
  mountOptions: ['noatime', 'nobarrier', 'nodatacow', 'fatal_errors=panic'],
  content: 'swap',
  make: async (disk, context) => makeFilesystem(await lookAtDisk(disk), undefined, context),
  async copyIn(disk, tree, context) {
    const raw = await lookAtDisk(disk);
    await refuseNoFolder(tree);
    const size = await treeSize(tree, context.signal);
    context.report({ what: 'btrfs', done: 0, total: size.bytes, unit: 'bytes' });
    await makeFilesystem(raw, { path: resolve(tree), size }, context);
    const { bytes } = await lookAtDisk(disk);
    if (bytes > raw.bytes) throw grown(raw, size, bytes);
    context.report({ what: 'btrfs', done: size.bytes, total: size.bytes, unit: 'bytes' });
  },
  canCopyIn: hasNoDeviceNode,
  // Kernels before 6.7 mount no two of the same name. Only superblocks change, whatever the size.
  async rename(disk, { signal }) {
    const { path } = await lookAtDisk(disk);
    await run(['btrfstune', '-f', '-m', path], { signal });
  },
};

async function makeFilesystem(
  disk: RawDisk,
  tree: { path: string; size: TreeSize } | undefined,
  context: StepContext,
): Promise<void> {
  const keep = disk.state === 'device' || disk.state === 'sparse' ? [] : ['--nodiscard'];
  const from = tree === undefined ? [] : ['--rootdir', tree.path];
  const path = `./${basename(disk.path)}`;
  await mkfs(
    {
      filesystem: 'btrfs',
      program: 'mkfs.btrfs',
      debianPackage: 'btrfs-progs',
      disk,
      tree: tree?.size,
      attempts: [
        ['--quiet', '--force', ...keep, '--metadata', 'single', '--data', 'single', ...from, path],
        ['-f', ...from, path],
      ],
      run: { cwd: dirname(disk.path) },
      tooSmall: /too small|minimum size|not enough free space|unable to (zero|write|copy|traverse)/i,
      leastMiB: ({ stderr }) => leastFor(tree?.size, stderr),
    },
    context,
  );
}

function leastFor(tree: TreeSize | undefined, said: string): number {
  const bytes = /minimum size for each btrfs device is (\d+)/.exec(said)?.[1];
  const empty = bytes === undefined ? LEAST_MIB : Math.ceil(Number(bytes) / MIB);
  if (tree === undefined) return empty;
  return empty + Math.ceil((1.2 * (tree.bytes + tree.inodes * 4096)) / MIB);
}

/** mkfs.btrfs makes a file larger where the tree does not fit. */
function grown(disk: RawDisk, tree: TreeSize, bytes: number): SlipwayFailure {
  return treeTooLarge(disk, tree, Math.ceil(bytes / MIB));
}

/** mkfs.btrfs 6.2 makes every device node one of the device 0:0. */
async function hasNoDeviceNode(tree: string, signal: AbortSignal): Promise<boolean> {
  const nodes = ['(', '-type', 'b', '-o', '-type', 'c', ')', '-print', '-quit'];
  const { stdout } = await run(['find', resolve(tree), ...nodes], { signal });
  return stdout === '';
}
