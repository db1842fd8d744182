import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../host/progress.ts';
import { run } from '../../host/run.ts';
import { blockDevice } from '../../images/block-device.ts';
import { usersOf } from '../../images/device-users.ts';
import { filesystems } from '../../images/filesystems.ts';
import { fillDisk } from '../../images/fill.ts';
import { mountOptionsOnHost } from '../../images/mount-options.ts';
import { preinstall } from '../../recipes/debian/build-root/preinstall.ts';
import { FilesystemName } from '../../schema/request.ts';
import { context, leftOf, onMounted, place, waysOf } from '../contracts/filesystem/under-test.ts';
import { buildDeb } from '../support/deb.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { loopDevice } from '../support/loop-devices.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PAIRS = FilesystemName.options.flatMap((name) =>
  waysOf(filesystems[name]).map((way) => [name, way] as const),
);

/** Disks of that size do, MiB. */
const LEAST: Record<FilesystemName, number> = { ext2: 64, ext3: 64, ext4: 64, xfs: 320, btrfs: 128 };

/** Says whether what mkfs and a fill have made is sound, without writing. */
const CHECKS: Record<FilesystemName, readonly [string, ...string[]]> = {
  ext2: ['e2fsck', '-f', '-n'],
  ext3: ['e2fsck', '-f', '-n'],
  ext4: ['e2fsck', '-f', '-n'],
  xfs: ['xfs_repair', '-n'],
  btrfs: ['btrfs', 'check', '--readonly'],
};

describe.each(PAIRS)('%s by %s', (name, way) => {
  const filesystem = filesystems[name];

  it('has packages as they are unpacked for a build root', async () => {
    const at = await place(LEAST[name]);
    const deb = await buildDeb(at.folder, {
      package: 'thing',
      files: { '/usr/bin/thing': 'does things' },
      prepare: async (root) => {
        await run(['chmod', '4755', join(root, 'usr/bin/thing')]);
        await run(['chown', '0:42', join(root, 'usr/bin/thing')]);
      },
    });
    await fillDisk({ filesystem, way, disk: at.disk, tree: at.tree, context: context() }, (tree, step) =>
      preinstall({ tree, packages: [deb], sources: [], sourcesDirectory: '/build/x', context: step }),
    );
    const thing = join(at.mountPoint, 'usr/bin/thing');
    expect(await onMounted({ filesystem }, at, ['stat', '--format=%a %u:%g', thing])).toMatch(/ 0:42\n$/);
    expect(await onMounted({ filesystem }, at, ['cat', thing])).toBe('does things');
    const database = join(at.mountPoint, 'var/lib/dpkg/status');
    expect(await onMounted({ filesystem }, at, ['cat', database])).toContain('Package: thing\n');
    expect(await leftOf(at)).toEqual([]);
  });

  it('fills a block device that is not zeros, named by a link, and leaves it free', async () => {
    const at = await place(16);
    await using device = await loopDevice(await temporaryFolder(), 'device', LEAST[name]);
    await run(['dd', 'if=/dev/urandom', `of=${device.path}`, 'bs=1M', `count=${LEAST[name]}`, 'status=none']);
    const link = join(at.folder, 'link');
    await run(['ln', '-s', device.path, link]);
    await fillDisk({ filesystem, way, disk: link, tree: at.tree, context: context() }, (tree) =>
      writeFile(join(tree, 'file'), 'x'),
    );
    expect(await usersOf(await blockDevice(device.path))).toEqual([]);
    await run([...CHECKS[name], device.path]);
    const options = mountOptionsOnHost(filesystem.mountOptions).join(',');
    const mounted = [name, options, device.path, at.mountPoint] as const;
    expect(await withMount(mounted, ['cat', join(at.mountPoint, 'file')])).toBe('x');
  });

  it('is sound', async () => {
    const at = await place(LEAST[name]);
    await fillDisk({ filesystem, way, disk: at.disk, tree: at.tree, context: context() }, (tree) =>
      writeFile(join(tree, 'file'), 'x'),
    );
    await run([...CHECKS[name], at.disk]);
  });
});

describe('btrfs', () => {
  it.each([
    ['no device node', ['mkfifo', 'fifo'], false],
    ['a block device', ['mknod', 'node', 'b', '253', '3'], true],
    ['a character device', ['mknod', 'node', 'c', '1', '3'], true],
  ] as const)('with %s in the tree', async (_, [program, node, ...what], mounted) => {
    const at = await place(128);
    const reports: Progress[] = [];
    const [disk, filesystem] = [at.disk, filesystems.btrfs];
    await fillDisk({ filesystem, disk, tree: at.tree, context: context(reports) }, async (tree) => {
      await run([program, join(tree, node), ...what]);
    });
    expect(reports.some(({ what }) => what === 'copy')).toBe(mounted);
    const kept = await onMounted({ filesystem }, at, [
      'stat',
      '--format=%F %t:%T',
      join(at.mountPoint, node),
    ]);
    expect(kept).toBe(
      {
        fifo: 'fifo 0:0\n',
        node: what[0] === 'b' ? 'block special file fd:3\n' : 'character special file 1:3\n',
      }[node],
    );
  });
});

it.each([
  [
    ['noatime', 'errors=panic'],
    ['noatime', 'errors=remount-ro'],
  ],
  [['fatal_errors=panic', 'nodatacow'], ['nodatacow']],
  [['errors=continue'], ['errors=continue']],
  [[], []],
])('of the mount options %j these are for a host: %j', (options, onHost) => {
  expect(mountOptionsOnHost(options)).toEqual(onHost);
});

it.each(FilesystemName.options)('no host panics over a disk with %s', async (name) => {
  const options = mountOptionsOnHost(filesystems[name].mountOptions);
  expect(options.filter((option) => option.includes('panic'))).toEqual([]);
  expect(await readFile('/proc/filesystems', 'utf8')).toContain(name);
});
