import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createSlipwayClient } from '../../client/client.ts';
import type { Lock } from '../../schema/lock.ts';
import type { Store } from '../../stores/store.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { createTestHost, fakeResolver, requestFor, testStore } from '../support/build-host.ts';
import { startTemporal } from '../support/temporal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { serve } from './fixtures/server.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

/** A mirror with two packages that go into each build, and what it takes to drop one of them. */
async function mirrored() {
  const folder = await temporaryFolder();
  const mirror = await serve(folder);
  onTestFinished(() => mirror[Symbol.asyncDispose]());
  const dependencies = await Promise.all(
    ['liba_1.0-1_amd64.deb', 'libb_2.0-1_amd64.deb'].map(async (name) => {
      await writeFile(join(folder, name), name);
      const sha256 = createHash('sha256').update(name).digest('hex');
      const [word = '', version = ''] = name.split('_');
      const file = { name, urls: [`${mirror.url}/${name}`], size: name.length, sha256 };
      return { ...file, package: word, version, architecture: 'amd64' };
    }),
  );
  return { dependencies, drop: (name: string) => rm(join(folder, name)) };
}

/** A farm of one host with an empty cache, as after the host of an earlier build is lost. */
async function build(store: Store, dependencies: Lock['dependencies'], keepInputs: boolean, run: number) {
  const plain = fakeResolver(store);
  const host = await createTestHost({
    defer: onTestFinished,
    environment,
    workflowBundle,
    store,
    keepInputs,
    scenario: () => ({}),
    // The lock is the same each time: what a mirror has dropped since then is in it all the same.
    resolver: { resolve: async (...args) => ({ ...(await plain.resolve(...args)), dependencies }) },
  });
  const { stop } = await host.start();
  const slipway = createSlipwayClient({ client: environment.client, store });
  // Another limit makes another build of the same lock.
  const { id } = await slipway.start(requestFor('kept', { limits: { logMiB: run } }));
  try {
    return await slipway.wait(id);
  } finally {
    await stop();
  }
}

test('a lock whose versions the mirror has dropped builds again from the store, where they were kept', async () => {
  const { dependencies, drop } = await mirrored();
  const store = await testStore();
  const first = await build(store, dependencies, true, 1);
  expect(first).toMatchObject({ outcome: 'succeeded', statistics: { downloadedBytes: 40 } });
  for (const { name } of dependencies) await drop(name);
  const second = await build(store, dependencies, true, 2);
  expect(second).toMatchObject({
    outcome: 'succeeded',
    lock: first.lock,
    statistics: { downloadedBytes: 0 },
  });
  // Also by a worker that keeps nothing itself.
  expect(await build(store, dependencies, false, 3)).toMatchObject({
    outcome: 'succeeded',
    lock: first.lock,
  });
});

test('where they were not kept it ends as InputsGone, which names them', async () => {
  const { dependencies, drop } = await mirrored();
  const store = await testStore();
  await build(store, dependencies, false, 4);
  for (const { name } of dependencies) await drop(name);
  await expect(build(store, dependencies, true, 5)).rejects.toMatchObject({
    type: 'InputsGone',
    more: { phase: 'fetch', items: ['liba_1.0-1_amd64.deb', 'libb_2.0-1_amd64.deb'] },
  });
});
