import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { run } from '../../host/run.ts';
import { collectGarbage } from '../../retention/gc.ts';
import { inputsOfRuns, temporalBuilds } from '../../retention/open-builds.ts';
import type { Store } from '../../stores/store.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { COMMON_QUEUE, logStream, resultRecord } from '../../workflows/names.ts';
import { createTestHost, requestFor, testStore } from '../support/build-host.ts';
import { startBuild, statusWhere } from '../support/builds.ts';
import { putResult } from '../support/results.ts';
import { startTemporal } from '../support/temporal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { daysAgo, listed, options } from './fixtures/aged-store.ts';

const SLIPWAY = resolve(import.meta.dirname, '..', '..', 'client', 'slipway');

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(['unused', 'polled']), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

/** As if everything in a store was put so many days ago. */
async function age(store: Store, days: number): Promise<void> {
  for (const folder of ['blobs', 'logs']) {
    const path = join(store.location, folder);
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])) {
      if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), daysAgo(days), daysAgo(days));
    }
  }
}

/** As if its build had ended so many days ago. */
async function ageResult(store: Store, record: string, days: number): Promise<void> {
  const result = JSON.parse(Buffer.from((await store.readRecord(record)) ?? []).toString());
  await store.deleteRecord(record);
  const aged = { ...result, startedAt: daysAgo(days), endedAt: daysAgo(days) };
  await store.publish(record, Buffer.from(JSON.stringify(aged)));
}

async function blobs(store: Store): Promise<string[]> {
  return (await listed(store.listBlobs())).map(({ digest }) => digest).sort();
}

/** Everything may go that is not in use. */
function everything(store: Store) {
  return options(store, {
    builds: temporalBuilds(environment.client),
    rules: { olderThanSeconds: 0, keepLatestGood: false },
    graceSeconds: 3600,
  });
}

test('what open builds use survives at any step; a build that waited through it succeeds', async () => {
  const store = await testStore(onTestFinished);
  const gate = Promise.withResolvers<void>();
  let boots = 0;
  const host = await createTestHost({
    ...{ defer: onTestFinished, environment, workflowBundle, builds: 1 },
    // Uploaded, and not published before the gate opens.
    store: {
      ...store,
      publish: async (name, bytes) => {
        if (name.startsWith('results/build/waits')) await gate.promise;
        return store.publish(name, bytes);
      },
    },
    scenario: ({ phase }) => {
      boots += 1;
      if (boots === 1) return { behaviour: 'long' };
      return phase === 'build' ? { files: { 'tool.deb': { content: 'a package' } } } : {};
    },
  });
  await host.start();
  const keyring = await store.putBytes(Buffer.from('a keyring that the request names'));
  const nobodys = await store.putBytes(Buffer.from("nobody's"));
  const repositories = [{ uris: ['http://example.org'], suites: ['s'], components: ['main'], keyring }];

  const holds = await startBuild(environment.client, requestFor('holds'), onTestFinished);
  await statusWhere(holds, ({ phase }) => phase === 'install' || phase === 'build');
  const waits = await startBuild(environment.client, requestFor('waits', { repositories }), onTestFinished);
  const { lock } = await statusWhere(waits, ({ phase }) => phase === 'claim');
  const run1 = { build: waits.workflowId, run: (await waits.describe()).runId };
  const inputs = await inputsOfRuns(environment.client, store, [run1]);
  const live = logStream((await holds.describe()).runId);
  while ((await store.logSize(live)) === 0) await new Promise((settle) => setTimeout(settle, 50));
  await age(store, 10);
  const first = await collectGarbage(everything(store));
  expect(first).toMatchObject({ openBuilds: 2, results: [], logs: [] });
  expect(first.blobs.map(({ digest }) => digest)).toEqual([nobodys]);
  expect(await blobs(store)).toEqual(expect.arrayContaining([keyring, lock ?? '']));
  // The lock, its source and its kernel.
  expect([...inputs].filter((digest) => digest !== nobodys)).toEqual(
    expect.arrayContaining([keyring, lock ?? '']),
  );
  expect((await blobs(store)).filter((digest) => inputs.has(digest)).length).toBeGreaterThanOrEqual(4);

  await holds.cancel();
  await expect(holds.result()).rejects.toThrow();
  await statusWhere(waits, ({ phase }) => phase === 'publish');
  await age(store, 10);
  const second = await collectGarbage(everything(store));
  expect(second.openBuilds).toBe(1);
  // The cancelled build's log has gone with all that only it used; the other's is still the live one.
  expect(second.logs.map(({ stream }) => stream)).toEqual([live]);
  gate.resolve();
  const result = await waits.result();
  expect(result.outcome).toBe('succeeded');
  const digests = [result.lock, result.log.sha256, ...result.artifacts.flatMap(({ sha256 }) => sha256 ?? [])];
  expect(digests.length).toBe(3);
  for (const digest of digests) expect(await store.blobSize(digest)).toBeDefined();

  await age(store, 10);
  await ageResult(store, resultRecord(result.build, result.run), 10);
  const third = await collectGarbage(everything(store));
  expect(third.results.map(({ record }) => record)).toEqual([resultRecord(result.build, result.run)]);
  expect(await blobs(store)).toEqual([]);
});

test('a Temporal is in use where it knows a build or a worker polls it', async () => {
  const of = (namespace: string) =>
    temporalBuilds(new Client({ connection: environment.connection, namespace }));
  expect(await of('unused').isInUse()).toBe(false);
  await startBuild(environment.client, requestFor('known'), onTestFinished);
  await vi.waitFor(async () => expect(await of('default').isInUse()).toBe(true), 20_000);
  const worker = await Worker.create({
    ...{ connection: environment.nativeConnection, namespace: 'polled', workflowBundle },
    taskQueue: COMMON_QUEUE,
  });
  const whileItPolls = () => vi.waitFor(async () => expect(await of('polled').isInUse()).toBe(true), 20_000);
  await worker.runUntil(whileItPolls);
});

test('a Temporal that did not build what is in the store is refused', async () => {
  const store = await testStore(onTestFinished);
  await putResult(store, { name: 'elsewhere' });
  await expect(collectGarbage(everything(store))).rejects.toMatchObject({ type: 'HostUnfit' });
});

test('the command line asks Temporal, and says what went', async () => {
  const store = await testStore(onTestFinished);
  const home = await temporaryFolder();
  const retention = '{olderThan: 30 d, keepLatestGood: false}';
  await writeFile(
    join(home, 'slipway.yaml'),
    `store: {directory: ${JSON.stringify(store.location)}}\nretention: ${retention}\n`,
  );
  await putResult(store, { name: 'old', version: '7', startedAt: daysAgo(60) });
  const kept = await putResult(store, { name: 'young', startedAt: daysAgo(10) });
  await age(store, 9);
  const env = { SLIPWAY_HOME: home, TEMPORAL_ADDRESS: environment.address };
  const slipway = (...args: string[]) => run([SLIPWAY, 'gc', ...args], { accept: [1, 2, 3], cwd: home, env });
  const dry = await slipway('--dry-run');
  expect(dry.stdout).toMatch(
    /^- old\/[0-9a-f]{8} 7 succeeded, ended \d{4}-\d\d-\d\d\nwould go: 1 result, 0 live logs, 2 blobs/,
  );
  expect(dry.stdout).toContain('would stay: 1 result, 2 blobs');
  const { stdout, exitCode } = await slipway('--json');
  expect(JSON.parse(stdout)).toMatchObject({ dryRun: false, openBuilds: 0, results: [{ version: '7' }] });
  expect(exitCode).toBe(0);
  expect(await listed(store.listRecords('results/'))).toEqual([resultRecord(kept.build, kept.run)]);
});

test('a namespace that Temporal does not have is said to be that', async () => {
  const home = await temporaryFolder();
  const env = {
    ...{ SLIPWAY_HOME: home, TEMPORAL_ADDRESS: environment.address },
    TEMPORAL_NAMESPACE: 'nosuch',
  };
  const { stderr, exitCode } = await run([SLIPWAY, 'gc', '--keep', '5'], {
    accept: [1, 2, 3],
    cwd: home,
    env,
  });
  expect(stderr).toContain(`Temporal at ${environment.address} has no namespace "nosuch".`);
  expect(stderr).toContain('Set TEMPORAL_NAMESPACE');
  expect(exitCode).toBe(3);
});
