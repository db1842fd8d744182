import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { createBuildRoots } from '../../images/build-roots/kept-roots.ts';
import { removeUnused } from '../../images/build-roots/room.ts';
import { disk, KEY, patterned, quiet, sum } from './fixtures/root-disks.ts';
import { rootsOf } from './fixtures/roots.ts';

const CHILD = fileURLToPath(new URL('fixtures/use-roots.ts', import.meta.url));
const CHUNKS = [...Array(24).keys()];

/** Another process of the host. `after`: milliseconds until it is killed. */
async function child(args: string[], { killAt, after }: { killAt?: number; after?: number } = {}) {
  const env = killAt === undefined ? {} : { KILL_AT: String(killAt) };
  const process_ = execa(process.execPath, [CHILD, ...args], { env, reject: false });
  const timer = after === undefined ? undefined : setTimeout(() => process_.kill('SIGKILL'), after);
  const { stdout, signal, stderr } = await process_;
  clearTimeout(timer);
  return { signal, stderr, said: stdout === '' ? undefined : JSON.parse(stdout) };
}

it.each([1, 12, 24])('killed at piece %i of what it keeps, a process leaves nothing half', async (killAt) => {
  const { roots, folder, directory, options, keep } = await rootsOf();
  const source = await disk(folder, 'source', 32);
  await roots.take(KEY, 'one', source, quiet);
  await patterned(source, CHUNKS);
  expect((await child(['keep', directory, 'one', source], { killAt })).signal).toBe('SIGKILL');
  expect(await roots.list()).toEqual([]);
  expect((await readdir(directory)).filter((name) => name.startsWith('.aside-'))).toHaveLength(1);
  // The worker's next process goes on from the record on disk.
  expect(await createBuildRoots(options).keep(KEY, 'one', source, { what: '' }, quiet)).toMatchObject({
    kept: true,
  });
  expect((await readdir(directory)).sort()).toEqual(['.lock', KEY]);
  const target = await disk(folder, 'target', 32);
  expect(await roots.take(KEY, 'two', target, quiet)).toMatchObject({ outcome: 'copied' });
  expect(await sum(target)).toBe(await sum(source));
  expect(await keep(KEY, source)).toMatchObject({ kept: true });
});

it('killed whenever, it leaves a whole root or none', { timeout: 120_000 }, async () => {
  const { roots, folder, directory } = await rootsOf();
  const source = await disk(folder, 'source', 32);
  const target = await disk(folder, 'target', 32);
  await patterned(source, CHUNKS);
  const digest = await sum(source);
  let begun = 0;
  for (let after = 150; begun < 5 && after < 4000; after *= 1.5) {
    await roots.take(KEY, 'one', target, quiet);
    const { signal } = await child(['keep', directory, 'one', source], { after });
    const taken = await roots.take(KEY, 'one', target, quiet);
    if (signal !== 'SIGKILL') {
      expect(taken.outcome).toBe('copied');
      break;
    }
    begun++;
    if (taken.outcome === 'copied') expect(await sum(target)).toBe(digest);
    else expect(taken).toEqual({ outcome: 'make', keep: true });
    await removeUnused(directory, await roots.list());
  }
  expect(begun).toBeGreaterThan(0);
});

it.each([1, 12])('killed at piece %i of what it takes, the next attempt has it', async (killAt) => {
  const { roots, folder, directory, make } = await rootsOf();
  const made = await make(KEY, 32, CHUNKS);
  const target = await disk(folder, 'target', 32);
  expect((await child(['take', directory, 'two', target], { killAt })).signal).toBe('SIGKILL');
  expect(await roots.take(KEY, 'two', target, quiet)).toMatchObject({ outcome: 'copied' });
  expect(await sum(target)).toBe(await sum(made));
});

it('processes that want the same at once make it once', async () => {
  const { folder, directory } = await rootsOf();
  const log = join(folder, 'made');
  await writeFile(log, '');
  const names = ['one', 'two', 'three'];
  const disks = await Promise.all(names.map((name) => disk(folder, name, 8)));
  const ends = await Promise.all(
    names.map((name, at) => child(['have', directory, name, disks[at] ?? '', log])),
  );
  expect((await readFile(log, 'utf8')).trim().split('\n')).toHaveLength(1);
  expect(new Set(ends.map(({ said }) => said?.digest)).size).toBe(1);
});

it('a process that still writes is not swept away by another that begins', async () => {
  const { roots, folder, options } = await rootsOf();
  const source = await disk(folder, 'source', 32);
  await roots.take(KEY, 'one', source, quiet);
  await patterned(source, CHUNKS);
  let others: Promise<unknown> | undefined;
  const report = () => {
    others ??= createBuildRoots(options).take(KEY, 'two', join(folder, 'none'), quiet);
  };
  expect(await roots.keep(KEY, 'one', source, { what: '' }, { ...quiet, report })).toMatchObject({
    kept: true,
  });
  await others?.catch(() => undefined);
  expect(await roots.list()).toHaveLength(1);
});

it('memory does not grow with the root', { timeout: 120_000 }, async () => {
  const { roots, folder, directory } = await rootsOf();
  const used: number[] = [];
  for (const [lease, size] of [
    ['small', 8],
    ['large', 72],
  ] as const) {
    const source = await disk(folder, lease, size);
    const target = await disk(folder, `to-${lease}`, size);
    await roots.take(KEY, lease, target, quiet);
    await patterned(source, [...Array(size).keys()]);
    const keeping = await child(['keep', directory, lease, source]);
    const taking = await child(['take', directory, 'other', target]);
    expect(taking.said).toMatchObject({ outcome: 'copied' });
    used.push(Math.max(keeping.said.maxRss, taking.said.maxRss));
    await removeUnused(directory, await roots.list());
  }
  const [small = 0, large = 0] = used;
  expect((large - small) / 1024).toBeLessThan(40);
});
