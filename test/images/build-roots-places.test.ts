import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../../host/run.ts';
import { btrfs } from '../../images/btrfs.ts';
import { guestFilesystem } from '../../images/filesystem.ts';
import { xfs } from '../../images/xfs.ts';
import { mountOptions } from '../../vm/container/container-vm.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { loopDevice } from '../support/loop-devices.ts';
import { CHUNK, disk, flipByte, KEY, patterned, quiet, sum } from './fixtures/root-disks.ts';
import { rootsOf } from './fixtures/roots.ts';

const CHILD = fileURLToPath(new URL('fixtures/share-roots.ts', import.meta.url));

it('a block device is kept and filled as a file is, and empty again where the root is damaged', async () => {
  const { roots, folder, directory, keep, warnings } = await rootsOf();
  await using source = await loopDevice(folder, 'one', 16);
  await using target = await loopDevice(folder, 'two', 16);
  await using larger = await loopDevice(folder, 'three', 17);
  await roots.take(KEY, 'one', source.path, quiet);
  await patterned(source.path, [0, 5, 15], 70_000);
  expect(await roots.keep(KEY, 'one', source.path, { what: '' }, quiet)).toMatchObject({ kept: true });
  expect((await stat(join(directory, KEY, 'disk'))).blocks * 512).toBe(3 * CHUNK);
  await expect(roots.take(KEY, 'two', larger.path, quiet)).rejects.toMatchObject({ type: 'HostUnfit' });
  expect(await roots.take(KEY, 'two', target.path, quiet)).toEqual({
    outcome: 'copied',
    bytes: 3 * CHUNK,
    way: 'copy',
  });
  expect(await sum(target.path)).toBe(await sum(source.path));
  // What a file holds goes onto a device, and the other way round.
  const file = await disk(folder, 'file', 16);
  expect(await roots.take(KEY, 'three', file, quiet)).toMatchObject({ outcome: 'copied' });
  expect(await sum(file)).toBe(await sum(source.path));

  await run(['blkdiscard', '--zeroout', target.path]);
  await flipByte(join(directory, KEY, 'disk'), 15 * CHUNK);
  expect(await roots.take(KEY, 'two', target.path, quiet)).toEqual({ outcome: 'make', keep: true });
  expect(warnings).toHaveLength(1);
  expect((await readFile(target.path)).every((byte) => byte === 0)).toBe(true);
  expect(await keep(KEY, file, 'two')).toMatchObject({ kept: true });
});

it('a disk without room for it is ScratchFull; a folder of roots without room keeps none', async () => {
  const { folder, roots, make, directory } = await rootsOf();
  await make(KEY, 64, [...Array(20).keys()]);
  expect(await roots.list()).toHaveLength(1);
  const small = join(folder, 'small');
  await run(['mkdir', small]);
  const full = await withMount(
    ['tmpfs', 'size=8m', 'none', small],
    [process.execPath, CHILD, 'full', directory, small],
  );
  expect(JSON.parse(full)).toEqual({
    took: 'ScratchFull',
    kept: false,
    why: expect.stringMatching(/no room|free/),
  });
});

it('room is made for a disk, of what was used longest ago, and never in vain', async () => {
  const { folder } = await rootsOf();
  const said = await withMount(
    ['tmpfs', 'size=64m', 'none', folder],
    [process.execPath, CHILD, 'room', folder],
  );
  expect(JSON.parse(said)).toEqual({
    enough: ['a', 'c', 'b'],
    oneLess: ['c', 'b'],
    inVain: { type: 'ScratchFull', kept: ['c', 'b'] },
    elsewhere: 0,
    all: [],
  });
});

it.each([
  ['xfs', ['mkfs.xfs', '-q', '-m', 'reflink=1']],
  ['btrfs', ['mkfs.btrfs', '-q']],
] as const)(
  'on %s disk and root share their blocks, verified all the same',
  async (type, [program, ...args]) => {
    const { folder } = await rootsOf();
    const image = await disk(folder, 'image', 512);
    await run([program, ...args, image]);
    const at = join(folder, 'at');
    await run(['mkdir', at]);
    const said = await withMount([type, 'loop', image, at], [process.execPath, CHILD, 'share', at]);
    expect(JSON.parse(said)).toEqual({
      first: { outcome: 'copied', way: 'reflink', bytes: 24 * CHUNK },
      same: true,
      sharesRoom: true,
      unchanged: true,
      flipped: { outcome: 'make', keep: true },
      added: { outcome: 'make', keep: true },
      empty: true,
      warnings: [
        expect.stringContaining('are others than were kept'),
        expect.stringContaining('should be zeros'),
      ],
    });
  },
);

it.each([xfs, btrfs])(
  'copies of one $name are mounted side by side, as containers do',
  async (filesystem) => {
    const { folder, roots, keep } = await rootsOf();
    const made = await disk(folder, 'made', 512);
    await filesystem.make(made, quiet);
    await keep(KEY, made);
    const copies = [join(folder, 'one'), join(folder, 'two')] as const;
    for (const copy of copies) {
      await disk(folder, basename(copy), 512);
      expect(await roots.take(KEY, 'other', copy, quiet)).toMatchObject({ outcome: 'copied' });
      await filesystem.rename?.(copy, quiet);
      await filesystem.rename?.(copy, quiet);
    }
    const names = [made, ...copies].map(
      async (path) => (await run(['blkid', '-s', 'UUID', '-o', 'value', path])).stdout,
    );
    // Of xfs it is an option of the mount.
    expect(new Set(await Promise.all(names)).size).toBe(filesystem.name === 'btrfs' ? 3 : 1);
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    await run(['mkdir', first, second]);
    const options = `loop,${mountOptions({ filesystem: guestFilesystem(filesystem) })}`;
    const mountSecond = ['mount', '-t', filesystem.name, '-o', options, copies[1], second] as const;
    await withMount([filesystem.name, options, copies[0], first], mountSecond);
  },
);
