import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { unpackOnce } from '../../guest/unpacked.ts';
import { withFileLock } from '../../host/file-lock.ts';
import { type Leases, openLeases } from '../../host/leases.ts';
import { createBuildRoots } from '../../images/build-roots/kept-roots.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { createInputCache } from '../../repositories/cache.ts';
import { takePartial } from '../../repositories/partial-file.ts';
import { type CacheRules, chooseEntries, collectCaches } from '../../retention/host-caches.ts';
import type { CacheEntry } from '../../retention/host-entries.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { buildDeb } from '../support/deb.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { daysAgo } from './fixtures/aged-store.ts';

const quiet = { signal: AbortSignal.timeout(60_000), report: () => undefined };

/** A host with something in each of its caches, put there by those who do so when it builds. */
async function host() {
  const home = await temporaryFolder();
  const [state, cache] = [join(home, 'state'), join(home, 'cache')];
  for (const folder of [state, cache, join(home, 'store')]) await mkdir(folder);
  const store = createDirectoryStore({ directory: join(home, 'store') });
  const inputs = createInputCache({ directory: join(cache, 'inputs'), store });
  onTestFinished(() => inputs.close());
  const fetched = async (text: string) => {
    const sha256 = await store.putBytes(Buffer.from(text));
    const file = { name: text, urls: [], size: text.length, sha256 };
    await inputs.fetch([file], quiet);
    return { ...file, path: inputs.path(sha256), fetchAgain: () => inputs.fetch([file], quiet) };
  };
  const [first, second] = [await fetched('the first input'), await fetched('the second input')];
  const deb = await buildDeb(home, {
    package: 'kernel',
    files: { '/boot/vmlinuz': 'a kernel' },
    // As old as kernels are.
    prepare: (root) => utimes(root, daysAgo(400), daysAgo(400)),
  });
  const unpackKernel = () =>
    unpackOnce({ debs: [deb.path], into: join(cache, 'kernels'), finish: async () => undefined });
  const kernel = await unpackKernel();
  const partial = await takePartial(
    join(cache, 'inputs/partial'),
    createHash('sha256').update('p').digest('hex'),
  );
  await writeFile(partial.path, 'half');
  await partial.release();
  const lists = join(cache, 'lists/sets/0123456789abcdef');
  await mkdir(join(lists, 'lists'), { recursive: true });
  await writeFile(join(lists, 'status'), '');
  const roots = createBuildRoots({
    ...{ directory: join(cache, 'build-roots'), maxBytes: 2 ** 30, leastFreeBytes: 0 },
    ...{ leaseExists: async () => true, warn: () => undefined },
  });
  const disk = join(home, 'disk');
  await createSparseFile(disk, 4);
  const key = createHash('sha256').update('root').digest('hex');
  const takeRoot = () => roots.take(key, 'lease', disk, quiet);
  await takeRoot();
  await writeFile(disk, 'a root', { flag: 'r+' });
  await roots.keep(key, 'lease', disk, { what: 'a root' }, quiet);
  const root = join(cache, 'build-roots', key);
  const leases = await openLeases({
    ...{ directory: join(state, 'leases'), host: 'host', queue: 'q' },
    capacity: { builds: 4, memoryMiB: 4096 },
  });
  const partialPath = join(dirname(partial.path), (await readdir(dirname(partial.path)))[0] ?? '');
  return {
    ...{ home, state, cache, leases, first, second, kernel, unpackKernel, partial: partialPath, lists },
    ...{ root, takeRoot },
    gc: (rules: CacheRules, more: Partial<Parameters<typeof collectCaches>[0]> = {}) =>
      collectCaches({
        directories: { state, cache },
        rules,
        inputsOf: async () => [],
        dryRun: false,
        ...more,
      }),
  };
}

/** As if it was last used so many days ago. */
async function age(days: number, ...paths: string[]): Promise<void> {
  for (const path of paths) {
    await utimes(path, daysAgo(days), daysAgo(days));
    const status = join(path, 'status');
    if (existsSync(status)) await utimes(status, daysAgo(days), daysAgo(days));
  }
}

async function takePlace(leases: Leases, id = 'host-run-1-1') {
  return leases.claim({
    ...{ id, build: 'build/hello/x', run: 'run', round: 1, memoryMiB: 16 },
    vm: { type: 'qemu', isolation: 'emulated' },
  });
}

const KINDS = ['input', 'partial', 'unpacked', 'lists', 'root'] as const;
const MONTH = { olderThanSeconds: 30 * 86_400 };

test('what was not used for long goes, of each kind; the rest stays', async () => {
  const { gc, first, second, kernel, partial, lists, root } = await host();
  expect((await gc(MONTH)).removed).toEqual([]);
  const all = [first.path, kernel, partial, lists, root];
  await age(40, ...all);
  const dry = await gc(MONTH, { dryRun: true });
  expect(dry.removed.map(({ kind }) => kind).sort()).toEqual([...KINDS].sort());
  for (const path of all) expect(existsSync(path)).toBe(true);
  const { removed, left, kept } = await gc(MONTH);
  expect(removed.map(({ path }) => path).sort()).toEqual([...all].sort());
  expect({ left, kept }).toEqual({ left: [], kept: { entries: 1, bytes: second.size } });
  for (const path of all) expect(existsSync(path)).toBe(false);
  expect(await readdir(dirname(kernel))).toEqual([]);
  await first.fetchAgain();
  expect(existsSync(first.path)).toBe(true);
});

test('what is used again counts as used', async () => {
  const { gc, first, second, kernel, unpackKernel } = await host();
  await age(40, first.path, second.path, kernel);
  await first.fetchAgain();
  await unpackKernel();
  expect((await gc(MONTH)).removed.map(({ path }) => path)).toEqual([second.path]);
});

test('of too much that goes first which was used longest ago', async () => {
  const { gc, first, second, kernel } = await host();
  await age(3, first.path);
  await age(2, second.path);
  await age(4, kernel);
  const all = (await gc({ maxBytes: 1e9 })).kept.bytes;
  const { removed } = await gc({ maxBytes: all - 1 });
  expect(removed.map(({ path }) => path)).toEqual([kernel]);
  const rest = await gc({ maxBytes: 0 });
  expect(rest.removed.map(({ path }) => path).slice(0, 2)).toEqual([first.path, second.path]);
  // What was used within the hour stays, whatever the size.
  expect(rest.kept.entries).toBe(3);
});

describe('a build that has a place on the host', () => {
  test('keeps its inputs, and all that is unpacked', async () => {
    const { gc, leases, first, second, kernel } = await host();
    await age(40, first.path, second.path, kernel);
    await takePlace(leases);
    const { removed, left } = await gc(MONTH, { inputsOf: async () => [first.sha256] });
    expect(removed.map(({ path }) => path)).toEqual([second.path]);
    expect(left).toMatchObject([{ entry: { path: kernel }, reason: 'a build runs on this host' }]);
    expect(existsSync(first.path) && existsSync(kernel)).toBe(true);
    await leases.release('host-run-1-1');
    expect((await gc(MONTH)).removed).toHaveLength(2);
  });

  test('keeps all inputs where nobody says which it uses, or its lease is damaged', async () => {
    const { gc, leases, state, first, second } = await host();
    await age(40, first.path, second.path);
    await takePlace(leases);
    const inputsOf = async () => {
      throw new Error('Temporal does not answer');
    };
    const { removed, left } = await gc(MONTH, { inputsOf });
    expect(removed).toEqual([]);
    expect(left.map(({ reason }) => reason)).toContainEqual(
      expect.stringContaining('Temporal does not answer'),
    );
    await leases.release('host-run-1-1');
    await writeFile(join(state, 'leases/host-run-1-2.json'), 'damaged');
    expect((await gc(MONTH)).left.map(({ reason }) => reason)).toContainEqual(
      expect.stringContaining('is damaged'),
    );
    expect(existsSync(first.path) && existsSync(second.path)).toBe(true);
  });

  test('that comes while others are asked for is asked for too', async () => {
    const { gc, leases, first, second } = await host();
    await age(40, first.path, second.path);
    await takePlace(leases, 'host-run-1-1');
    const asked: string[][] = [];
    await gc(MONTH, {
      inputsOf: async (of) => {
        asked.push(of.map(({ id }) => id));
        if (asked.length === 1) await takePlace(leases, 'host-run-1-2');
        return asked.length === 1 ? [] : [first.sha256];
      },
    });
    expect(asked).toEqual([['host-run-1-1'], ['host-run-1-2']]);
    expect({ first: existsSync(first.path), second: existsSync(second.path) }).toEqual({
      first: true,
      second: false,
    });
  });
});

test('unpacked packages stay while the host is probed', async () => {
  const { gc, kernel, state } = await host();
  await age(40, kernel);
  await withFileLock(join(state, 'probes.lock'), 1, async () => {
    expect((await gc(MONTH)).left).toMatchObject([{ reason: 'the VM types of this host are being probed' }]);
  });
  expect(existsSync(kernel)).toBe(true);
});

test('a kept build root goes though a build runs, not when it was taken meanwhile; half of one is no entry', async () => {
  const { gc, leases, root, takeRoot } = await host();
  await takePlace(leases);
  await mkdir(join(dirname(root), '.aside-x'));
  await age(40, root);
  expect((await gc(MONTH, { dryRun: true })).removed).toMatchObject([
    { kind: 'root', path: root, bytes: 2 ** 20 },
  ]);
  expect(await takeRoot()).toMatchObject({ outcome: 'copied' });
  expect((await gc(MONTH)).removed).toEqual([]);
  await age(40, root);
  expect((await gc(MONTH)).removed).toMatchObject([{ path: root }]);
  expect(await takeRoot()).toEqual({ outcome: 'make', keep: true });
});

test('lists that are just being read stay', async () => {
  const { gc, lists } = await host();
  await age(40, lists);
  await withFileLock(join(lists, 'lock'), 1, async () => {
    expect((await gc(MONTH)).left).toMatchObject([{ reason: 'a build is being resolved with it' }]);
  });
  expect(existsSync(lists)).toBe(true);
});

test('without a rule it refuses; a host that never built anything has nothing', async () => {
  const { gc } = await host();
  await expect(gc({})).rejects.toMatchObject({ type: 'InvalidRequest' });
  const empty = await temporaryFolder();
  const directories = { state: join(empty, 'state'), cache: join(empty, 'cache') };
  expect((await gc(MONTH, { directories })).kept).toEqual({ entries: 0, bytes: 0 });
});

const NOW = Date.UTC(2026, 5, 1);
const entry = fc.record({
  kind: fc.constantFrom(...KINDS),
  path: fc.uuid(),
  bytes: fc.integer({ min: 0, max: 1000 }),
  usedAt: fc.integer({ min: NOW - 60 * 86_400_000, max: NOW }),
});

test('whatever the rules: nothing goes that was used within the hour, nothing younger before something older', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(entry, { maxLength: 20, selector: ({ path }) => path }),
      fc.option(fc.integer({ min: 0, max: 60 * 86_400 }), { nil: undefined }),
      fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }),
      (all: CacheEntry[], olderThanSeconds, maxBytes) => {
        const gone = chooseEntries(all, all, { olderThanSeconds, maxBytes }, NOW);
        expect(new Set(gone).size).toBe(gone.length);
        for (const { usedAt } of gone) expect(NOW - usedAt).toBeGreaterThan(3_600_000);
        const stays = all.filter((each) => !gone.includes(each));
        const total = stays.reduce((sum, { bytes }) => sum + bytes, 0);
        const free = stays.filter(({ usedAt }) => NOW - usedAt > 3_600_000);
        if (maxBytes !== undefined && total > maxBytes) expect(free).toEqual([]);
        if (olderThanSeconds === undefined) return;
        for (const { usedAt } of free) expect(NOW - usedAt).toBeLessThanOrEqual(olderThanSeconds * 1000);
      },
    ),
  );
});
