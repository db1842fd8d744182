import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../../retention/gc.ts';
import { logStream, resultRecord } from '../../workflows/names.ts';
import { putResult } from '../support/results.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { agedStore, daysAgo, HOUR, listed, openBuildsOf, options } from './fixtures/aged-store.ts';

const bytes = (text: string) => Buffer.from(text);

async function file(name: string, content: string): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, content);
  return path;
}

/** An old result and a new one of a package, which share an artifact. */
async function twoResults() {
  const aged = await agedStore();
  const { store } = aged;
  const [shared, own] = [await file('shared.deb', 'shared'), await file('own.deb', 'own')];
  const oldInput = await store.putBytes(bytes('an input of the old lock'));
  const newInput = await store.putBytes(bytes('an input of the new lock'));
  const keyring = await store.putBytes(bytes('a keyring'));
  const repositories = [{ uris: ['http://example.org'], suites: ['stable'], components: ['main'], keyring }];
  const old = await putResult(store, {
    ...{ name: 'hello', startedAt: daysAgo(50), artifacts: [shared, own], inputs: [oldInput] },
    request: { repositories },
  });
  const kept = await putResult(store, {
    ...{ name: 'hello', version: '2', startedAt: daysAgo(40), artifacts: [shared], inputs: [newInput] },
    request: { repositories },
  });
  await aged.age(40);
  return { ...aged, old, kept, oldInput, newInput, keyring };
}

describe('gc', () => {
  test('deletes a result with all that only it refers to, and nothing else', async () => {
    const { store, old, kept, oldInput, newInput, keyring, blobs, records } = await twoResults();
    const collected = await collectGarbage(options(store));
    expect(collected.results.map(({ run }) => run)).toEqual([old.run]);
    expect(await records()).toEqual([resultRecord(kept.build, kept.run)]);
    const own = old.artifacts[1]?.sha256;
    expect(collected.blobs.map(({ digest }) => digest).sort()).toEqual(
      [own, old.lock, old.log.sha256, oldInput].sort(),
    );
    expect(await blobs()).toEqual(
      [kept.artifacts[0]?.sha256, kept.lock, kept.log.sha256, newInput, keyring].sort(),
    );
    expect(collected.kept).toMatchObject({ results: 1, blobs: 5 });
    expect(collected.openBuilds).toBe(0);
    const again = await collectGarbage(options(store));
    expect(again).toMatchObject({ results: [], blobs: [], logs: [], kept: { results: 1, blobs: 5 } });
  });

  test('a dry run says the same and changes nothing', async () => {
    const { store, blobs, records } = await twoResults();
    await store.appendLog(logStream('dead'), 0, bytes('a log'));
    const before = [await blobs(), await records(), await store.logSize(logStream('dead'))];
    const dry = await collectGarbage(options(store, { dryRun: true }));
    expect([await blobs(), await records(), await store.logSize(logStream('dead'))]).toEqual(before);
    const real = await collectGarbage(options(store));
    expect({ ...dry, blobs: new Set(dry.blobs) }).toEqual({
      ...real,
      dryRun: true,
      blobs: new Set(real.blobs),
    });
  });

  test('keeps what was put within the grace, or put again', async () => {
    const { store, age, old } = await twoResults();
    const upload = await store.putBytes(bytes('uploaded, not built yet'));
    const left = await store.putBytes(bytes('uploaded, never built'));
    await age(2, left);
    await store.putBytes(bytes('own'));
    const { blobs: gone } = await collectGarbage(options(store));
    const digests = gone.map(({ digest }) => digest);
    expect(digests).toContain(left);
    expect(digests).not.toContain(upload);
    expect(digests).not.toContain(old.artifacts[1]?.sha256);
  });

  test.each([
    [20, 86_400, 0],
    [20, 18 * 3600, 1],
    [25, 86_400, 1],
  ])('of a result that ended %i h ago, with a grace of %i s, %i go', async (hours, graceSeconds, gone) => {
    const { store } = await agedStore();
    await putResult(store, { name: 'young', startedAt: daysAgo(hours / 24) });
    const rules = { olderThanSeconds: 0, keepLatestGood: false };
    const { results, blobs } = await collectGarbage(options(store, { rules, graceSeconds }));
    expect(results).toHaveLength(gone);
    // Put just now.
    expect(blobs).toEqual([]);
  });

  test('keeps what an open build has in its history, and what its lock names', async () => {
    const { store, blobs, age } = await agedStore();
    const source = await store.putBytes(bytes('a source'));
    const input = await store.putBytes(bytes('an input that is kept'));
    const lock = await store.putBytes(bytes(JSON.stringify({ base: [{ sha256: input }] })));
    const artifact = await store.putBytes(bytes('uploaded, not published yet'));
    const nobodys = await store.putBytes(bytes("nobody's"));
    await age(3);
    const builds = openBuildsOf({
      run: [{ recipe: { source: { files: [{ sha256: source }] } } }, { lock }, [{ sha256: artifact }]],
    });
    expect(await collectGarbage(options(store, { builds, dryRun: true }))).toMatchObject({ openBuilds: 1 });
    await collectGarbage(options(store, { builds }));
    expect(await blobs()).toEqual([source, input, lock, artifact].sort());
    expect(nobodys).not.toBe(source);
    await collectGarbage(options(store));
    expect(await blobs()).toEqual([]);
  });

  test('keeps the result that is published while it works, and what a build uses that begins meanwhile', async () => {
    const { store, blobs, age } = await agedStore();
    const reused = await store.putBytes(bytes('an old keyring that a new request names'));
    const artifact = await file('old.deb', 'the same as an old one');
    await store.putBytes(bytes('the same as an old one'));
    await age(3);
    let asked = 0;
    const builds = {
      open: async () => {
        asked += 1;
        // Between the first look and the second.
        if (asked === 2) await putResult(store, { name: 'late', artifacts: [artifact] });
        await age(3);
        return asked === 1 ? openBuildsOf({}).open() : openBuildsOf({ late: { keyring: reused } }).open();
      },
      knows: async () => true,
      isInUse: async () => true,
    };
    await collectGarbage(options(store, { builds }));
    expect(await blobs()).toHaveLength(4);
  });

  test('deletes logs of runs that ended without a result, when they are old', async () => {
    const { store, age } = await agedStore();
    for (const run of ['open', 'cancelled', 'young']) await store.appendLog(logStream(run), 0, bytes('log'));
    await store.appendLog('another/name', 0, bytes('not a log of a build'));
    await age(8);
    await age(6, 'young');
    const { logs } = await collectGarbage(options(store, { builds: openBuildsOf({ open: {} }) }));
    expect(logs).toEqual([{ stream: logStream('cancelled'), bytes: 3 }]);
    const left = (await listed(store.listLogs())).map(({ stream }) => stream).sort();
    expect(left).toEqual(['another/name', logStream('open'), logStream('young')]);
  });

  test('keeps records that it does not understand, with what they refer to, also through documents', async () => {
    const { store, age, blobs, records } = await agedStore();
    const inner = await store.putBytes(bytes('inner'));
    const document = await store.putBytes(bytes(JSON.stringify({ inner })));
    const other = await store.putBytes(bytes('other'));
    await store.publish(
      'results/build/x/of-the-future',
      bytes(JSON.stringify({ version: 9, manifest: document })),
    );
    await store.publish('results/build/x/no-json', bytes(`{"cut off": "${other}`));
    await age(100);
    const { unreadable } = await collectGarbage(options(store));
    expect(unreadable.sort()).toEqual(['results/build/x/no-json', 'results/build/x/of-the-future']);
    expect(await blobs()).toEqual([inner, document, other].sort());
    expect(await records()).toHaveLength(2);
  });

  test('a result whose lock is gone or whose other blobs are does not hinder it', async () => {
    const { store, kept } = await twoResults();
    for (const digest of [kept.lock, kept.log.sha256]) await store.deleteBlob(digest, new Date());
    const { results } = await collectGarbage(options(store));
    expect(results).toHaveLength(1);
  });
});

describe('gc refuses', () => {
  test.each([
    ['without a rule', { rules: { keepLatestGood: true } }, { type: 'InvalidRequest' }],
    ['with a grace of less than an hour', { graceSeconds: 3599 }, { type: 'InvalidRequest' }],
  ])('%s', async (_, more, expected) => {
    const { store, records } = await twoResults();
    await expect(collectGarbage(options(store, more))).rejects.toMatchObject(expected);
    expect(await records()).toHaveLength(2);
  });

  test('a Temporal that does not know what was built just now', async () => {
    const { store, records } = await twoResults();
    const builds = { ...openBuildsOf({}), knows: async () => false };
    await putResult(store, { name: 'now', startedAt: new Date(Date.now() - HOUR) });
    await expect(collectGarbage(options(store, { builds }))).rejects.toMatchObject({
      type: 'HostUnfit',
      message: expect.stringContaining('is not the one of the workers'),
    });
    expect(await records()).toHaveLength(3);
  });

  test('to go on where the lock of a kept result is damaged: what it refers to cannot be told', async () => {
    const { store, kept, directory, blobs } = await twoResults();
    const path = join(directory, 'blobs', kept.lock.slice(0, 2), kept.lock);
    await rm(path);
    await writeFile(path, 'damaged');
    const before = await blobs();
    await expect(collectGarbage(options(store))).rejects.toMatchObject({ type: 'StoreUnavailable' });
    expect(await blobs()).toEqual(before);
  });
});
