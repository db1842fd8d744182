import { basename, dirname } from 'node:path';
import type { Filesystem } from './filesystem.ts';
import { mkfs } from './mkfs.ts';
import { lookAtDisk } from './raw-disk.ts';

/** Since xfsprogs 5.19; older ones make smaller disks too. */
const LEAST_MIB = 300;

/**
 * XFS for a disk that is thrown away. Its mkfs takes no folder (a prototype file has no owners beyond one, no extended
 * attributes, no hard links), so that it is filled by mounting.
 */
export const xfs: Filesystem = {
  name: 'xfs',
  modules: ['xfs'],
  // What other filesystems say with errors=panic it cannot: it shuts down, and the guest's words end.
  mountOptions: ['noatime', 'logbsize=256k'],
  content: 'device',
  async make(path, context) {
    const disk = await lookAtDisk(path);
    // No discard where there is nothing to discard; of reserved room it would give back what it can.
    const keep = disk.state === 'device' || disk.state === 'sparse' ? [] : ['-K'];
    const file = `./${basename(disk.path)}`;
    const common = ['-q', '-f', ...keep];
    await mkfs(
      {
        filesystem: 'xfs',
        program: 'mkfs.xfs',
        debianPackage: 'xfsprogs',
        disk,
        // Off is what kernels before 6.10 and 5.19 cannot mount: the guest's may be older than the host's mkfs.
        attempts: [
          [...common, '-i', 'nrext64=0,exchange=0', '-n', 'parent=0', file],
          [...common, '-i', 'nrext64=0', file],
          ['-q', '-f', file],
        ],
        run: { cwd: dirname(disk.path) },
        tooSmall: /must be larger than|too small|agsize .* too small|size \d+ .* is too small/i,
        leastMiB: ({ stderr }) => Number(/larger than (\d+) ?MB/i.exec(stderr)?.[1] ?? LEAST_MIB),
      },
      context,
    );
    context.report({ what: 'xfs', done: 1, total: 1, unit: 'files' });
  },
};
