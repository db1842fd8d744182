import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createSlipwayClient, type SlipwayClient } from '../../client/client.ts';
import { BuildCancelled, TemporalUnavailable } from '../../client/failures.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import type { Store } from '../../stores/store.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { resultRecord } from '../../workflows/names.ts';
import { createTestHost, requestFor, type TestHostOptions, testStore } from '../support/build-host.ts';
import { startTemporal } from '../support/temporal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

const SUCCESS: TestHostOptions['scenario'] = ({ phase }) => ({
  log: `the log of ${phase}\n`,
  ...(phase === 'build' ? { files: { 'a_1.deb': { content: 'a package' }, 'sub/b': { content: 'b' } } } : {}),
});

interface Farm {
  slipway: SlipwayClient;
  store: Store;
  /** What is left when Temporal has forgotten everything. */
  later: SlipwayClient;
}

async function farmWith(
  scenario: TestHostOptions['scenario'],
  more: Partial<TestHostOptions> = {},
): Promise<Farm> {
  const store = more.store ?? (await testStore(onTestFinished));
  const host = await createTestHost({
    defer: onTestFinished,
    environment,
    workflowBundle,
    store,
    scenario,
    ...more,
  });
  await host.start();
  const slipway = createSlipwayClient({ client: environment.client, store, webUrl: 'http://web.example/' });
  return { slipway, store, later: createSlipwayClient({ store }) };
}

async function textOf(log: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const bytes of log) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((settle) => setTimeout(settle, 200));
}

describe('a build from start to end', () => {
  it('starts once for equal requests, and anew when it has ended', async () => {
    const { slipway } = await farmWith({ milliseconds: 1000 });
    const request = requestFor('joins');
    const first = await slipway.start(request);
    const second = await slipway.start({ architecture: 'amd64', ...request });
    expect(first).toMatchObject({ joined: false, id: expect.stringMatching(/^build\/joins\/[0-9a-f]{64}$/) });
    expect(second).toEqual({ ...first, joined: true });
    expect(first.webUrl).toBe(
      `http://web.example/namespaces/default/workflows/${encodeURIComponent(first.id)}/${first.run}`,
    );
    await slipway.wait(first.id);
    const third = await slipway.start(request);
    expect(third).toMatchObject({ id: first.id, joined: false });
    expect(third.run).not.toBe(first.run);
    await slipway.wait(third.id, { run: third.run });
  });

  it('tells status, log and artifacts, and the same when Temporal has forgotten it', async () => {
    const { slipway, later } = await farmWith(SUCCESS);
    const { id, run } = await slipway.start(requestFor('remembered'));
    const followed = textOf(slipway.log(id, { follow: true }));
    const result = await slipway.wait(id);
    expect(await followed).toBe('the log of install\nthe log of build\n');
    const report = await slipway.status(id);
    expect(report).toMatchObject({ id, run, state: 'succeeded', result, steps: [] });

    expect(await later.status(id)).toEqual(report);
    expect(await textOf(later.log(id))).toBe('the log of install\nthe log of build\n');
    expect(await textOf(later.log(id, { from: 19 }))).toBe('the log of build\n');
    expect(await later.artifacts(id)).toEqual(result.artifacts);
    expect(await later.find('remembered')).toBe(id);
    expect(await later.list()).toEqual([report]);
    const folder = await temporaryFolder();
    await later.fetchArtifacts(id, folder);
    expect(await readFile(join(folder, 'sub', 'b'), 'utf8')).toBe('b');
    expect((await readdir(folder)).sort()).toEqual(['a_1.deb', 'sub']);
    await later.fetchLog(id, folder);
    expect(await readFile(join(folder, 'remembered_1.0-1.log'), 'utf8')).toContain('the log of build');
  });

  it('says of a build that Temporal knows that its result was deleted', async () => {
    const { slipway, store } = await farmWith(SUCCESS);
    const { id, run } = await slipway.start(requestFor('deleted'));
    await slipway.wait(id);
    await store.deleteRecord(resultRecord(id, run));
    for (const follow of [false, true]) {
      await expect(textOf(slipway.log(id, { follow }))).rejects.toThrow(
        /^The log of build\/deleted\/\w+ was deleted from the store by retention/,
      );
    }
    expect(await slipway.status(id)).toMatchObject({ state: 'succeeded', resultDeleted: true });
    await until(async () =>
      (await slipway.list(50)).some((each) => each.id === id && each.resultDeleted === true),
    );
    const folder = await temporaryFolder();
    await expect(slipway.artifacts(id)).rejects.toThrow(/^The result of .* was deleted from the store by/);
    await expect(slipway.fetchArtifacts(id, folder)).rejects.toThrow('was deleted from the store');
    await expect(slipway.fetchLog(id, folder)).rejects.toThrow('was deleted from the store');
  });

  it('says while it runs which phase it is in and how far the step is', async () => {
    const { slipway } = await farmWith({ milliseconds: 6000 });
    const { id } = await slipway.start(requestFor('looked-at'));
    await until(async () => (await slipway.status(id)).steps.some(({ progress }) => progress !== undefined));
    const report = await slipway.status(id);
    expect(report).toMatchObject({ state: 'running', status: { phase: 'install', vm: 'qemu (emulated)' } });
    expect(report.steps).toEqual([
      expect.objectContaining({
        activity: 'runVm',
        attempt: 1,
        progress: expect.objectContaining({ unit: 'seconds' }),
      }),
    ]);
    await expect(slipway.artifacts(id)).rejects.toThrow('has no result: it is running');
    await slipway.wait(id);
  });
});

describe('a build that does not succeed', () => {
  it('is a result where the package fails to build', async () => {
    const { slipway } = await farmWith(({ phase }) =>
      phase === 'build' ? { behaviour: 'failing-command', exitCode: 2, log: 'E: broken\n' } : {},
    );
    const { id } = await slipway.start(requestFor('broken'));
    expect(await slipway.wait(id)).toMatchObject({ outcome: 'failed', failure: { type: 'BuildFailed' } });
    expect(await slipway.status(id)).toMatchObject({ state: 'failed', failure: { exitCode: 2 } });
    expect(await textOf(slipway.log(id))).toContain('E: broken\n');
  });

  it('throws the typed failure with all that it names where there is no result', async () => {
    const failure = new SlipwayFailure('UnresolvableDependencies', 'nothing provides them', {
      items: ['libx', 'liby'],
    });
    const { slipway } = await farmWith({}, { resolver: { resolve: () => Promise.reject(failure) } });
    const { id } = await slipway.start(requestFor('unresolvable'));
    await expect(slipway.wait(id)).rejects.toMatchObject({
      name: 'SlipwayFailure',
      type: 'UnresolvableDependencies',
      more: { items: ['libx', 'liby'], phase: 'resolve' },
    });
    expect(await slipway.status(id)).toMatchObject({
      state: 'failed',
      failure: { type: 'UnresolvableDependencies', items: ['libx', 'liby'] },
    });
  });

  it.each([false, true])('is cancelled (by force: %s), and no second time', async (force) => {
    const { slipway } = await farmWith({ behaviour: 'long' });
    const { id } = await slipway.start(requestFor(`cancelled-${force}`));
    await until(async () => (await slipway.status(id)).status?.phase === 'install');
    await slipway.cancel(id, { force });
    await expect(slipway.wait(id)).rejects.toBeInstanceOf(BuildCancelled);
    expect(await slipway.status(id)).toMatchObject({ state: 'cancelled' });
    await expect(slipway.cancel(id)).rejects.toThrow('has ended already: cancelled');
  });

  it('is refused before it starts where the request is wrong', async () => {
    const slipway = createSlipwayClient({
      client: environment.client,
      store: await testStore(onTestFinished),
    });
    const wrong = { ...requestFor('wrong'), colour: 'red' };
    await expect(slipway.start(wrong)).rejects.toMatchObject({
      type: 'InvalidRequest',
      more: { items: [expect.stringMatching(/^colour: unknown field/)] },
    });
  });
});

describe('abbreviations', () => {
  it('are a package, package/digest, or digits of the digest', async () => {
    const { slipway } = await farmWith({});
    const one = await slipway.start(requestFor('abbreviated'));
    await slipway.wait(one.id);
    const two = await slipway.start({ ...requestFor('abbreviated'), limits: { logMiB: 7 } });
    await slipway.wait(two.id);
    await until(async () => (await slipway.list(50)).some(({ id }) => id === two.id));
    const digest = one.id.split('/')[2] ?? '';
    expect(await slipway.find('abbreviated')).toBe(two.id);
    expect(await slipway.find(`abbreviated/${digest.slice(0, 8)}`)).toBe(one.id);
    expect(await slipway.find(digest.slice(0, 12))).toBe(one.id);
    expect(await slipway.find(one.id)).toBe(one.id);
    await expect(slipway.find('abbreviated/')).rejects.toThrow('More than one build');
    await expect(slipway.find('absent')).rejects.toThrow('There is no build "absent"');
  });
});

it('says that Temporal is needed where it is', async () => {
  const slipway = createSlipwayClient({ store: await testStore(onTestFinished) });
  await expect(slipway.start(requestFor('offline'))).rejects.toBeInstanceOf(TemporalUnavailable);
  await expect(slipway.status(`build/x/${'0'.repeat(64)}`)).rejects.toThrow('There is no build');
});
