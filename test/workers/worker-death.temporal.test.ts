import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { scratchFolder } from '../../host/scratch.ts';
import type { BuildRequestInput } from '../../schema/request.ts';
import type { BuildResult } from '../../schema/result.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { createTestHost, type Defer, requestFor } from '../support/build-host.ts';
import { type BuildHandle, startBuild, statusWhere } from '../support/builds.ts';
import { startTemporal } from '../support/temporal.ts';
import { monitorOf, processesOf } from '../support/vm-processes.ts';
import type { WorkerProcess } from './fixtures/worker.ts';

/** A worker is killed without a word; the next one of the same host goes on. All wait for the same 15 s: at once. */

const WORKER = resolve(import.meta.dirname, 'fixtures', 'worker.ts');
const TESTS = ['running', 'finished', 'extracting', 'uploading'] as const;

let environment: TestWorkflowEnvironment;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  const [server, { code }] = await Promise.all([startTemporal(TESTS), bundleWorkflows()]);
  environment = server;
  await writeFile(join(folder, 'workflows.js'), code);
});
afterAll(async () => {
  await environment?.teardown();
  await rm(folder, { recursive: true, force: true });
});

/** A host whose workers are other processes, seen from here by what lies on its disk. */
async function hostOf(
  name: (typeof TESTS)[number],
  { onTestFinished }: TestContext,
  of: Pick<WorkerProcess, 'scenario' | 'diesAfterPutting'>,
) {
  const defer: Defer = (cleanUp) => onTestFinished(cleanUp);
  const home = await mkdtemp(join(folder, `${name}-`));
  const storeFolder = await mkdtemp(join(folder, 'store-'));
  const store = await createDirectoryStore({ directory: storeFolder });
  const { address } = environment;
  const seen = await createTestHost({
    ...{ defer, home, store, host: name, environment: { address, namespace: name } },
    workflowBundle: { code: '' },
    scenario: {},
  });
  const described: WorkerProcess = {
    ...{ ...of, address, namespace: name, home, store: storeFolder, host: name },
    workflows: join(folder, 'workflows.js'),
  };
  const client = new Client({ connection: environment.connection, namespace: name });
  return {
    store,
    client,
    start: (request: BuildRequestInput) => startBuild(client, request, defer),
    worker: () => {
      const said = openSync(join(home, 'said'), 'a');
      const child = spawn(process.execPath, [WORKER, JSON.stringify(described)], {
        stdio: ['ignore', said, said],
      });
      onTestFinished(() => kill(child));
      return child;
    },
    scratch: async () => {
      const [id = 'none-yet'] = await readdir(seen.dependencies.directories.scratch);
      return scratchFolder(seen.dependencies.directories.scratch, id);
    },
    vm: seen.dependencies.vms.get('qemu'),
    boots: () => readFile(join(home, 'boots'), 'utf8'),
    log: async ({ log }: BuildResult) => Buffer.from(await store.readBytes(log.sha256)).toString(),
    expectNothingLeft: async (child: ChildProcess) => {
      expect(await seen.leftOvers()).toEqual({ leases: [], scratch: [] });
      const others = (await processesOf(home)).filter((pid) => pid !== child.pid);
      expect(others).toEqual([]);
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const over = performance.now() + 60_000; !(await condition()); await sleep(10)) {
    if (performance.now() > over) throw new Error(`never: ${condition}`);
  }
}

/** How often an activity was scheduled and completed, and the attempt that completed it last. */
async function countOf(handle: BuildHandle, type: string) {
  const { events = [] } = await handle.fetchHistory();
  const scheduled = events?.filter(
    ({ activityTaskScheduledEventAttributes: of }) => of?.activityType?.name === type,
  );
  const ids = scheduled?.map(({ eventId }) => `${eventId}`);
  const started = events?.flatMap(({ activityTaskStartedEventAttributes: of }) =>
    of && ids?.includes(`${of.scheduledEventId}`) ? [of.attempt ?? 0] : [],
  );
  return { scheduled: scheduled?.length, attempts: started };
}

async function publishedOnce({ store }: Awaited<ReturnType<typeof hostOf>>, handle: BuildHandle) {
  expect(await countOf(handle, 'publishResult')).toEqual({ scheduled: 1, attempts: [1] });
  const records: string[] = [];
  for await (const name of store.listRecords('results/')) records.push(name);
  expect(records).toHaveLength(1);
  expect(await countOf(handle, 'claimHost')).toMatchObject({ scheduled: 1 });
}

/** `install`, then every number from 0 on, each once. */
function expectWhole(log: string): void {
  const [first, second, ...numbers] = log.trimEnd().split('\n');
  expect([first, second]).toEqual(['install', 'build']);
  expect(numbers).toEqual(numbers.map((_, index) => `${index}`));
  expect(numbers.length).toBeGreaterThan(20);
}

describe.concurrent('a worker that is killed', () => {
  test('while its VM runs: the next one finds the VM, the log has neither hole nor repeat', async (context) => {
    const host = await hostOf('running', context, {
      scenario: {
        install: { log: 'install\n' },
        build: { log: 'build\n', counts: true, milliseconds: 25_000 },
      },
    });
    const first = host.worker();
    const handle = await host.start(requestFor('running'));
    const folderOf = async () => (await host.scratch()).vm('build');
    const { runId } = await handle.describe();
    await until(async () => (await host.store.logSize(`logs/${runId}`)) > 'install\nbuild\n0\n1\n'.length);
    const guest = await monitorOf(await folderOf());
    await kill(first);
    expect(await host.vm?.status(await folderOf())).toMatchObject({ state: 'running' });
    const next = host.worker();
    const killedAt = await host.store.logSize(`logs/${runId}`);
    // The next attempt copies on while the same guest runs.
    await until(async () => (await host.store.logSize(`logs/${runId}`)) > killedAt);
    expect(await monitorOf(await folderOf())).toBe(guest);
    const result = await handle.result();
    expect(result.outcome).toBe('succeeded');
    expectWhole(await host.log(result));
    expect(await host.boots()).toBe('install\nbuild\n');
    expect((await countOf(handle, 'runVm')).attempts).toEqual([1, 2]);
    await publishedOnce(host, handle);
    await host.expectNothingLeft(next);
  });

  test('and whose VM ends before the next one comes: it is found finished', async (context) => {
    const host = await hostOf('finished', context, {
      scenario: {
        install: { log: 'install\n' },
        build: { log: 'build\n', counts: true, milliseconds: 4000, files: { 'a.deb': { content: 'a' } } },
      },
    });
    const first = host.worker();
    const handle = await host.start(requestFor('finished'));
    await statusWhere(handle, ({ phase }) => phase === 'build');
    const status = async () => (await host.vm?.status((await host.scratch()).vm('build')))?.state;
    await until(async () => (await status()) === 'running');
    await kill(first);
    await until(async () => (await status()) === 'ended');
    const next = host.worker();
    const result = await handle.result();
    expect(result).toMatchObject({ outcome: 'succeeded', artifacts: [{ path: 'a.deb', size: 1 }] });
    expect(result.statistics.build?.seconds).toBeLessThan(15);
    expectWhole(await host.log(result));
    expect(await host.boots()).toBe('install\nbuild\n');
    await publishedOnce(host, handle);
    await host.expectNothingLeft(next);
  });

  test('with half of the artifacts taken out: they are taken out anew', async (context) => {
    const bytes = 192 * 1024 ** 2;
    const host = await hostOf('extracting', context, {
      scenario: { install: {}, build: { files: { 'large.tar': { content: { bytes } } } } },
    });
    const first = host.worker();
    const resources = { cpus: 1, memoryMiB: 256, diskMiB: 512, swapMiB: 16 };
    const handle = await host.start(requestFor('extracting', { resources }));
    await until(async () => {
      const { artifacts } = await host.scratch();
      return (await readdir(artifacts).catch(() => [])).length > 0;
    });
    await kill(first);
    // It was killed in the middle.
    expect((await statusWhere(handle, () => true).catch(() => undefined))?.phase ?? 'extract').toBe(
      'extract',
    );
    const next = host.worker();
    const result = await handle.result();
    expect(result).toMatchObject({ outcome: 'succeeded', artifacts: [{ path: 'large.tar', size: bytes }] });
    expect(await host.store.blobSize(result.artifacts[0]?.sha256 ?? '')).toBe(bytes);
    expect((await countOf(handle, 'extractArtifacts')).attempts).toEqual([2]);
    await publishedOnce(host, handle);
    await host.expectNothingLeft(next);
  });

  test('with half of the artifacts in the store: the rest follows', async (context) => {
    const files = { 'a.deb': { content: 'a' }, 'b.deb': { content: 'b' }, 'c.deb': { content: 'c' } };
    const host = await hostOf('uploading', context, {
      scenario: { install: {}, build: { files } },
      diesAfterPutting: 'b.deb',
    });
    const first = host.worker();
    const died = once(first, 'exit');
    const handle = await host.start(requestFor('uploading'));
    expect(await died).toEqual([null, 'SIGKILL']);
    const next = host.worker();
    const result = await handle.result();
    expect(result.artifacts.map(({ path }) => path)).toEqual(Object.keys(files));
    for (const { sha256 = '', size } of result.artifacts)
      expect(await host.store.blobSize(sha256)).toBe(size);
    expect((await countOf(handle, 'uploadArtifacts')).attempts).toEqual([2]);
    await publishedOnce(host, handle);
    await host.expectNothingLeft(next);
  });
});
