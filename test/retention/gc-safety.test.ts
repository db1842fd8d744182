import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { collectGarbage } from '../../retention/gc.ts';
import { referencesIn } from '../../retention/references.ts';
import { BuildResult } from '../../schema/result.ts';
import type { Store } from '../../stores/store.ts';
import { putResult } from '../support/results.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { agedStore, DAY, daysAgo, openBuildsOf, options } from './fixtures/aged-store.ts';

const CHILD = resolve(import.meta.dirname, 'fixtures', 'gc-child.ts');

async function results(store: Store): Promise<BuildResult[]> {
  const found: BuildResult[] = [];
  for await (const name of store.listRecords('results/')) {
    const bytes = await store.readRecord(name);
    found.push(BuildResult.parse(JSON.parse(Buffer.from(bytes ?? []).toString())));
  }
  return found;
}

/** Every result that is there has its lock, its log, its artifacts, and the kept inputs of its lock. */
async function expectWhole(store: Store, kept: ReadonlySet<string>): Promise<void> {
  for (const result of await results(store)) {
    const { lock, log, artifacts } = result;
    const digests = [lock, log.sha256, ...artifacts.flatMap(({ sha256 }) => sha256 ?? [])];
    for (const digest of digests) expect(await store.blobSize(digest), digest).toBeDefined();
    const named = referencesIn(JSON.parse(Buffer.from(await store.readBytes(lock)).toString())).digests;
    for (const digest of named) if (kept.has(digest)) expect(await store.blobSize(digest)).toBeDefined();
  }
}

const build = fc.record({
  name: fc.constantFrom('a1', 'b2', 'c3'),
  version: fc.constantFrom('1', '2', '3'),
  outcome: fc.constantFrom('succeeded' as const, 'failed' as const),
  age: fc.integer({ min: 0, max: 100 }),
  artifacts: fc.subarray(['one', 'two', 'three']),
  inputs: fc.subarray(['four', 'five', 'one']),
});
const rules = fc.record({
  olderThanSeconds: fc.option(fc.integer({ min: 0, max: 90 * 86_400 }), { nil: undefined }),
  keep: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  keepLatestGood: fc.boolean(),
});

test('whatever is built and ruled: what is kept is whole, what is open is spared, the latest good survives', async () => {
  const folder = await temporaryFolder();
  await fc.assert(
    fc.asyncProperty(
      fc.array(build, { maxLength: 10 }),
      rules.filter(({ olderThanSeconds, keep }) => olderThanSeconds !== undefined || keep !== undefined),
      fc.subarray(['one', 'four', 'six']),
      async (builds, given, open) => {
        const { store, age, blobs } = await agedStore();
        const digests = new Map<string, string>();
        for (const text of ['one', 'two', 'three', 'four', 'five', 'six']) {
          digests.set(text, await store.putBytes(Buffer.from(text)));
          await writeFile(join(folder, text), text);
        }
        const digestOf = (text: string) => digests.get(text) ?? '';
        for (const { age: days, artifacts, inputs, ...more } of builds) {
          await putResult(store, {
            ...more,
            startedAt: daysAgo(days),
            artifacts: artifacts.map((text) => join(folder, text)),
            inputs: inputs.map(digestOf),
          });
        }
        await age(2);
        const before = await results(store);
        const all = new Set(await blobs());
        const history = { run: open.map(digestOf) };
        await collectGarbage(options(store, { rules: given, builds: openBuildsOf(history) }));
        await expectWhole(store, all);
        const left = new Set(await blobs());
        for (const text of open) expect(left.has(digestOf(text)), text).toBe(true);
        const after = new Set((await results(store)).map(({ run }) => run));
        for (const group of Map.groupBy(before, (each) => each.package.name).values()) {
          const good = group.filter(({ outcome }) => outcome === 'succeeded');
          const latest = Math.max(...good.map(({ startedAt }) => Date.parse(startedAt)));
          if (!given.keepLatestGood || good.length === 0) continue;
          expect(good.some((each) => Date.parse(each.startedAt) === latest && after.has(each.run))).toBe(
            true,
          );
        }
        // Nothing that nobody refers to stays.
        const again = await collectGarbage(options(store, { rules: given, builds: openBuildsOf(history) }));
        expect(again.blobs).toEqual([]);
      },
    ),
    { numRuns: 30 },
  );
}, 120_000);

test('killed in the middle, again and again, it never leaves a result without its files, and ends the same', async () => {
  const { store, directory, age, blobs, records } = await agedStore();
  const folder = await temporaryFolder();
  for (let number = 0; number < 40; number++) {
    const file = join(folder, `${number}.deb`);
    await writeFile(file, `artifact ${number}`);
    await putResult(store, {
      ...{ name: `p${number % 4}`, version: `${number}`, startedAt: daysAgo(20 + number) },
      artifacts: [file],
    });
  }
  await age(10);
  const all = new Set(await blobs());
  let kills = 0;
  for (;;) {
    const child = spawn(process.execPath, [CHILD, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    let deletions = 0;
    const most = 3 + kills * 2;
    child.stdout.on('data', (bytes: Buffer) => {
      deletions += bytes.toString().split('\n').length - 1;
      if (deletions > most) child.kill('SIGKILL');
    });
    const [, signal] = await once(child, 'exit');
    await expectWhole(store, all);
    if (signal === null) break;
    kills += 1;
  }
  expect(kills).toBeGreaterThan(3);
  // 10 are younger than 30 days, and the latest good of each package is among them.
  expect(await records()).toHaveLength(10);
  expect(await blobs()).toHaveLength(30);
}, 120_000);

test('2000 results take seconds', async () => {
  const { store, age, records } = await agedStore();
  const folder = await temporaryFolder();
  const file = join(folder, 'one.deb');
  await writeFile(file, 'one');
  const inputs = await Promise.all(
    Array.from({ length: 300 }, (_, at) => store.putBytes(Buffer.from(`input ${at}`))),
  );
  const limit = pLimit(64);
  await limit.map(Array.from({ length: 2000 }), (_, number) => {
    const startedAt = new Date(Date.now() - (20 + number / 40) * DAY);
    return putResult(store, {
      ...{ name: `p${number % 100}`, version: `${number}`, startedAt, artifacts: [file] },
      inputs: inputs.slice(0, 1 + (number % 300)),
    });
  });
  await age(10);
  const started = performance.now();
  const dry = await collectGarbage(options(store, { dryRun: true }));
  const marked = performance.now();
  await collectGarbage(options(store));
  const ended = performance.now();
  const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(1);
  console.log(`gc of 2000 results: mark ${seconds(started, marked)} s, all ${seconds(marked, ended)} s`);
  expect(dry.results.length).toBeGreaterThan(1000);
  expect(await records()).toHaveLength(2000 - dry.results.length);
  expect(ended - started).toBeLessThan(60_000);
}, 180_000);
