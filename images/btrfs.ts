import type { Filesystem } from './filesystem.ts';
import { mkfs } from './mkfs.ts';
import { lookAtDisk } from './raw-disk.ts';

const MIB = 1024 * 1024;

/** For one copy of everything (btrfs-progs 6.2). */
const LEAST_MIB = 46;

/**
 * btrfs for a disk that is thrown away: one copy of everything, no checksums of data. Its extents are addresses of its
 * own, not of the disk: results follow in the swap.
 */
export const btrfs: Filesystem = {
  name: 'btrfs',
  modules: ['btrfs'],
  // nodatacow: written in place, without checksums.
  mountOptions: ['noatime', 'nobarrier', 'nodatacow', 'fatal_errors=panic'],
  content: 'swap',
  make,
};

async function make(path: string, context: Parameters<Filesystem['make']>[1]): Promise<void> {
  const disk = await lookAtDisk(path);
  const keep = disk.state === 'device' || disk.state === 'sparse' ? [] : ['--nodiscard'];
  await mkfs(
    {
      filesystem: 'btrfs',
      program: 'mkfs.btrfs',
      debianPackage: 'btrfs-progs',
      disk,
      attempts: [
        ['--quiet', '--force', ...keep, '--metadata', 'single', '--data', 'single', disk.path],
        ['-f', disk.path],
      ],
      tooSmall: /too small|minimum size|not enough free space/i,
      leastMiB: ({ stderr }) => {
        const bytes = /minimum size for each btrfs device is (\d+)/.exec(stderr)?.[1];
        return bytes === undefined ? LEAST_MIB : Math.ceil(Number(bytes) / MIB);
      },
    },
    context,
  );
  context.report({ what: 'btrfs', done: 1, total: 1, unit: 'files' });
}
