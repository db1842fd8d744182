import { existsSync } from 'node:fs';
import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dataChunks } from '../../images/build-roots/data-chunks.ts';
import { createBuildRoots } from '../../images/build-roots/kept-roots.ts';
import { removeUnused } from '../../images/build-roots/room.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { CHUNK, disk, flipByte, KEY, keyOf, LEASE, patterned, quiet, sum } from './fixtures/root-disks.ts';
import { type Fixture, rootsOf } from './fixtures/roots.ts';

describe('a root that is kept', () => {
  it('is had by the next as it was, and its holes stay holes', async () => {
    const { roots, folder, make } = await rootsOf();
    const made = await make(KEY, 64, [0, 1, 17, 63]);
    const target = await disk(folder, 'target', 64);
    expect(await roots.take(KEY, 'other', target, quiet)).toEqual({
      outcome: 'copied',
      bytes: 4 * CHUNK,
      way: 'copy',
    });
    expect(await sum(target)).toBe(await sum(made));
    const { blocks, mode } = await stat(target);
    expect({ room: blocks * 512 <= 4 * CHUNK + 65_536, mode: mode & 0o777 }).toEqual({
      room: true,
      mode: 0o600,
    });
  });

  it('is for root alone and lies in a folder named by its key, with what it is', async () => {
    const { directory, make } = await rootsOf();
    await make(KEY, 8, [2]);
    expect((await readdir(directory)).sort()).toEqual(['.lock', KEY]);
    const mode = async (...path: string[]) => (await stat(join(directory, ...path))).mode & 0o777;
    expect(await Promise.all([mode(), mode(KEY), mode(KEY, 'disk'), mode(KEY, 'manifest.json')])).toEqual([
      0o700, 0o700, 0o400, 0o400,
    ]);
    const manifest = JSON.parse(await readFile(join(directory, KEY, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({ key: KEY, what: 'a test', diskBytes: 8 * CHUNK, chunks: [{ at: 2 }] });
  });

  it('is no other after the disk it was made of is written to', async () => {
    const { roots, folder, make } = await rootsOf();
    const made = await make(KEY, 8, [0, 3]);
    const before = await sum(made);
    await flipByte(made, 3 * CHUNK);
    const target = await disk(folder, 'target', 8);
    await roots.take(KEY, 'other', target, quiet);
    expect(await sum(target)).toBe(before);
  });

  it('may be empty, have a last chunk that is short, and zeros that are written', async () => {
    const { roots, folder, keep } = await rootsOf();
    const empty = await disk(folder, 'empty', 4);
    await keep(keyOf('empty'), empty);
    const odd = await disk(folder, 'odd', 4);
    await truncate(odd, 4 * CHUNK + 1536);
    await patterned(odd, [4], 1536);
    await patterned(odd, [1], CHUNK, 0);
    expect(await keep(keyOf('odd'), odd)).toMatchObject({ kept: true });
    for (const [name, source] of [
      ['empty', empty],
      ['odd', odd],
    ] as const) {
      const target = await disk(folder, `to-${name}`, 4);
      await truncate(target, (await stat(source)).size);
      expect(await roots.take(keyOf(name), 'other', target, quiet)).toMatchObject({
        outcome: 'copied',
        bytes: name === 'odd' ? 1536 : 0,
      });
      expect(await sum(target)).toBe(await sum(source));
    }
  });

  it('replaces whatever a file had, so that a killed attempt leaves nothing', async () => {
    const { roots, folder, make } = await rootsOf();
    const made = await make(KEY, 8, [1]);
    const target = await disk(folder, 'target', 8);
    await patterned(target, [0, 1, 5]);
    expect(await roots.take(KEY, 'other', target, quiet)).toMatchObject({ outcome: 'copied' });
    expect(await sum(target)).toBe(await sum(made));
  });

  it('is kept once: again is the same', async () => {
    const { roots, directory, make, keep } = await rootsOf();
    const made = await make(KEY, 8, [1]);
    const before = (await stat(join(directory, KEY, 'disk'))).ino;
    expect(await keep(KEY, made)).toMatchObject({ kept: true });
    expect((await stat(join(directory, KEY, 'disk'))).ino).toBe(before);
    expect(await roots.list()).toMatchObject([{ key: KEY, bytes: CHUNK }]);
  });

  it('is refused for a disk of another size, which is left alone', async () => {
    const { roots, folder, make } = await rootsOf();
    await make(KEY, 8, [1]);
    const target = await disk(folder, 'target', 9);
    await patterned(target, [8]);
    const before = await sum(target);
    await expect(roots.take(KEY, 'other', target, quiet)).rejects.toMatchObject({
      type: 'HostUnfit',
      message: expect.stringContaining(`is of a disk of ${8 * CHUNK} bytes`),
    });
    expect(await sum(target)).toBe(before);
  });
});

describe('a root that is damaged', () => {
  const damages: [what: string, damage: (root: string) => Promise<unknown>, said: RegExp][] = [
    [
      'a byte of its data is another',
      (root) => flipByte(join(root, 'disk'), 3 * CHUNK + 77),
      /are others than/,
    ],
    ['its disk is cut off', (root) => truncate(join(root, 'disk'), 3 * CHUNK), /ends at byte/],
    ['its disk is gone', (root) => rm(join(root, 'disk')), /is missing/],
    [
      'its disk is a symlink',
      (root) => rm(join(root, 'disk')).then(() => symlink('/dev/zero', join(root, 'disk'))),
      /symlink/,
    ],
    ['its manifest is gone', (root) => rm(join(root, 'manifest.json')), /is missing/],
    ['its manifest is half', (root) => truncate(join(root, 'manifest.json'), 60), /not JSON/],
    ['its manifest is empty', (root) => truncate(join(root, 'manifest.json'), 0), /not JSON/],
    ['its manifest is of another version', (root) => edit(root, '"version":1', '"version":2'), /version/],
    ['its manifest says another place', (root) => edit(root, '"at":3', '"at":4'), /digest/],
    ['its manifest is of another root', (root) => edit(root, KEY, keyOf('x')), /it is of the root/],
  ];
  const edit = async (root: string, from: string, to: string) => {
    const path = join(root, 'manifest.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
  };

  it.each(damages)('%s: it is deleted, said, and made anew', async (_what, damage, said) => {
    const { roots, folder, directory, make, keep, warnings } = await rootsOf();
    const made = await make(KEY, 8, [0, 3]);
    await damage(join(directory, KEY));
    const target = await disk(folder, 'target', 8);
    expect(await roots.take(KEY, 'other', target, quiet)).toEqual({ outcome: 'make', keep: true });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(said);
    expect(await roots.list()).toEqual([]);
    // Nothing of it lies on the disk.
    expect(await sum(target)).toBe(await sum(await disk(folder, 'empty', 8)));
    expect(await keep(KEY, made, 'other')).toMatchObject({ kept: true });
    expect(await roots.take(KEY, 'third', target, quiet)).toMatchObject({ outcome: 'copied' });
  });
});

describe('who makes a root', () => {
  it('is one lease; others wait until it is kept', async () => {
    const { roots, folder, keep } = await rootsOf();
    const [one, two] = [await disk(folder, 'one', 4), await disk(folder, 'two', 4)];
    expect(await roots.take(KEY, 'one', one, quiet)).toEqual({ outcome: 'make', keep: true });
    expect(await roots.take(KEY, 'one', one, quiet)).toEqual({ outcome: 'make', keep: true });
    expect(await roots.take(KEY, 'two', two, quiet)).toEqual({ outcome: 'wait', madeBy: 'one' });
    await patterned(one, [2]);
    await keep(KEY, one, 'one');
    expect(await roots.take(KEY, 'two', two, quiet)).toMatchObject({ outcome: 'copied' });
  });

  it.each([
    ['gives up', async ({ roots }: Fixture) => roots.giveUp('one')],
    ['is gone', async ({ gone }: Fixture) => void gone.add('one')],
  ])('is another where the first %s', async (_how, leave) => {
    const on = await rootsOf();
    const target = await disk(on.folder, 'two', 4);
    await on.roots.take(KEY, 'one', target, quiet);
    await on.roots.take(keyOf('base'), 'three', target, quiet);
    await leave(on);
    expect(await on.roots.take(KEY, 'two', target, quiet)).toEqual({ outcome: 'make', keep: true });
    expect(await on.roots.take(keyOf('base'), 'two', target, quiet)).toEqual({
      outcome: 'wait',
      madeBy: 'three',
    });
  });

  it('is one of many that ask at once, also in other processes of the worker', async () => {
    const { folder, options } = await rootsOf();
    const target = await disk(folder, 'target', 4);
    const asked = Array.from({ length: 8 }, (_, at) =>
      createBuildRoots(options).take(KEY, `lease-${at}`, target, quiet),
    );
    const outcomes = (await Promise.all(asked)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'make')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'wait')).toHaveLength(7);
  });

  it('is nobody where the record is damaged', async () => {
    const { roots, folder, directory } = await rootsOf();
    const target = await disk(folder, 'target', 4);
    await roots.take(KEY, 'one', target, quiet);
    await truncate(join(directory, `${KEY}.making`), 10);
    expect(await roots.take(KEY, 'two', target, quiet)).toEqual({ outcome: 'make', keep: true });
  });

  it('may not keep what it gave up meanwhile: a guest may have written on it', async () => {
    const { roots, folder, directory } = await rootsOf();
    const target = await disk(folder, 'target', 16);
    await patterned(target, [1, 2, 3]);
    await roots.take(KEY, LEASE, await disk(folder, 'fresh', 16), quiet);
    let given: Promise<void> | undefined;
    const report = () => {
      given ??= roots.giveUp(LEASE);
    };
    const late = roots.keep(KEY, LEASE, target, { what: '' }, { ...quiet, report: () => void report() });
    // Held up until it is given up, as a frozen worker would be.
    expect(await late.finally(() => given)).toMatchObject({ kept: false });
    expect(await roots.keep(KEY, LEASE, target, { what: '' }, quiet)).toMatchObject({ kept: false });
    expect((await readdir(directory)).sort()).toEqual(['.lock']);
  });
});

describe('room', () => {
  it('goes to what was used last', async () => {
    const { roots, make, take } = await rootsOf({ maxBytes: 10 * CHUNK });
    for (const name of ['a', 'b', 'c']) await make(keyOf(name), 8, [1, 2, 3], name);
    await age(roots, { a: 3, b: 2, c: 1 });
    await take(keyOf('a'), 8);
    await make(keyOf('d'), 8, [1, 2, 3], 'd');
    expect((await roots.list()).map(({ key }) => key).sort()).toEqual(['c', 'a', 'd'].map(keyOf).sort());
  });

  it('is not made for a root that is larger than all: nobody waits for it then', async () => {
    const { roots, folder, make, keep } = await rootsOf({ maxBytes: 4 * CHUNK });
    await make(keyOf('small'), 8, [1]);
    const large = await disk(folder, 'large', 8);
    await roots.take(KEY, 'one', large, quiet);
    await patterned(large, [0, 1, 2, 3, 4]);
    expect(await keep(KEY, large, 'one')).toEqual({
      kept: false,
      why: 'it has 5 MiB, buildRoots.size is 4 MiB',
    });
    expect(await roots.list()).toHaveLength(1);
    for (const lease of ['two', 'three'])
      expect(await roots.take(KEY, lease, large, quiet)).toEqual({ outcome: 'make', keep: false });
  });

  it('is left on the filesystem', async () => {
    const { roots, folder, keep } = await rootsOf({ leastFreeBytes: 2 ** 60 });
    const source = await disk(folder, 'source', 8);
    await roots.take(KEY, LEASE, source, quiet);
    await patterned(source, [0]);
    expect(await keep(KEY, source)).toEqual({
      kept: false,
      why: expect.stringContaining('buildRoots.leaveFree'),
    });
    expect(await roots.list()).toEqual([]);
  });

  it('is given back where the limit is another now; none is none', async () => {
    const { roots, folder, options, make } = await rootsOf();
    for (const name of ['a', 'b']) await make(keyOf(name), 8, [1, 2, 3], name);
    await age(roots, { a: 3, b: 2 });
    const less = createBuildRoots({ ...options, maxBytes: 4 * CHUNK });
    const target = await disk(folder, 'target', 8);
    expect(await less.take(keyOf('b'), 'x', target, quiet)).toMatchObject({ outcome: 'copied' });
    expect((await less.list()).map(({ key }) => key)).toEqual([keyOf('b')]);
    const none = createBuildRoots({ ...options, maxBytes: 0 });
    expect(await none.take(keyOf('b'), 'x', target, quiet)).toEqual({ outcome: 'make', keep: false });
    expect(await none.list()).toEqual([]);
  });

  it('is not more where two are kept at once', async () => {
    const { roots, folder } = await rootsOf({ maxBytes: 4 * CHUNK });
    const one = async (name: string) => {
      const source = await disk(folder, name, 4);
      await roots.take(keyOf(name), name, source, quiet);
      await patterned(source, [0, 1, 2]);
      return () => roots.keep(keyOf(name), name, source, { what: name }, quiet);
    };
    const keeps = [await one('a'), await one('b')];
    expect(await Promise.all(keeps.map((keep) => keep()))).toMatchObject([{ kept: true }, { kept: true }]);
    expect(await roots.list()).toHaveLength(1);
  });

  it('that is taken by an eviction during the copy takes nothing from who copies', async () => {
    const { roots, folder, directory, make } = await rootsOf();
    const made = await make(KEY, 64, [...Array(40).keys()]);
    const target = await disk(folder, 'target', 64);
    let evicted: Promise<string[]> | undefined;
    const report = () => {
      evicted ??= roots.list().then((all) => removeUnused(directory, all));
    };
    expect(await roots.take(KEY, 'x', target, { ...quiet, report })).toMatchObject({ outcome: 'copied' });
    expect(await evicted).toEqual([join(directory, KEY)]);
    expect(await sum(target)).toBe(await sum(made));
    expect(await roots.take(KEY, 'x', target, quiet)).toEqual({ outcome: 'make', keep: true });
  });
});

it('roots that come and go under one name are never mixed', async () => {
  const { roots, folder, directory, make, warnings } = await rootsOf();
  const place = join(directory, KEY);
  const sums: string[] = [];
  for (const name of ['one', 'two']) {
    sums.push(await sum(await make(KEY, 8, [0, 1, 2], name)));
    await rename(place, join(folder, `root-${name}`));
  }
  let isOver = false;
  const swapping = (async () => {
    for (let turn = 0; !isOver; turn++) {
      const root = join(folder, turn % 2 === 0 ? 'root-one' : 'root-two');
      await rename(root, place);
      await rename(place, root);
    }
  })();
  const target = await disk(folder, 'target', 8);
  let copied = 0;
  for (let tries = 0; tries < 60 && copied < 10; tries++) {
    const { outcome } = await roots.take(KEY, 'other', target, quiet);
    if (outcome !== 'copied') continue;
    copied++;
    expect(sums).toContain(await sum(target));
  }
  isOver = true;
  await swapping;
  expect({ warnings, some: copied > 0 }).toEqual({ warnings: [], some: true });
});

it.each(['', 'a', KEY.toUpperCase(), `${KEY}0`, `../${KEY}`, `${KEY.slice(3)}/..`, `${KEY}\n`])(
  'the key %j is none',
  async (key) => {
    const { roots, folder } = await rootsOf();
    const target = await disk(folder, 'target', 4);
    await expect(roots.take(key, LEASE, target, quiet)).rejects.toThrow(RangeError);
    await expect(roots.keep(key, LEASE, target, { what: '' }, quiet)).rejects.toThrow(RangeError);
  },
);

it('a cancel stops both in the midst of it, and leaves nothing', async () => {
  const { roots, folder, directory, make } = await rootsOf();
  await make(KEY, 64, [...Array(40).keys()]);
  const target = await disk(folder, 'target', 64);
  const stopped = () => {
    const abort = new AbortController();
    return { signal: abort.signal, report: () => abort.abort(new Error('cancelled')) };
  };
  await expect(roots.take(KEY, LEASE, target, stopped())).rejects.toThrow('cancelled');
  const other = keyOf('other');
  await roots.take(other, LEASE, target, quiet);
  await patterned(target, [...Array(40).keys()]);
  await expect(roots.keep(other, LEASE, target, { what: '' }, stopped())).rejects.toThrow('cancelled');
  expect((await readdir(directory)).sort()).toEqual(['.lock', KEY, `${other}.making`].sort());
});

it('finds data wherever it lies, and reads no holes', async () => {
  const folder = await temporaryFolder();
  const path = await disk(folder, 'disk', 512 * 1024);
  const wanted = [0, 1, 2, 900, 65_536, 65_538, 512 * 1024 - 1];
  await patterned(path, wanted, 4096);
  await using file = await open(path);
  const before = performance.now();
  expect(await dataChunks(file, 512 * 1024 * CHUNK, quiet.signal)).toEqual(wanted);
  expect(performance.now() - before).toBeLessThan(5000);
});

it('nothing is touched before the first use', async () => {
  const { roots, directory } = await rootsOf();
  await roots.giveUp(LEASE);
  expect(await roots.list()).toEqual([]);
  expect(existsSync(directory)).toBe(false);
  await mkdir(directory);
});

/** Sets when roots were last used, hours ago. */
async function age(roots: Fixture['roots'], hours: Record<string, number>): Promise<void> {
  for (const { key, path } of await roots.list()) {
    const [, ago = 0] = Object.entries(hours).find(([name]) => keyOf(name) === key) ?? [];
    const at = new Date(Date.now() - ago * 3_600_000);
    await utimes(path, at, at);
  }
}
