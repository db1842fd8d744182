import { readlinkSync } from 'node:fs';
import { appendFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { scratchFolder } from '../../host/scratch.ts';
import type { FailureDetails } from '../../schema/failures.ts';
import type { BuildRequestInput } from '../../schema/request.ts';
import { BuildResult } from '../../schema/result.ts';
import type { Store } from '../../stores/store.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { COMMON_QUEUE, logStream, resultRecord } from '../../workflows/names.ts';
import {
  createTestHost,
  requestFor,
  type TestHost,
  type TestHostOptions,
  testStore,
} from '../support/build-host.ts';
import { type BuildHandle, startBuild, statusWhere } from '../support/builds.ts';
import { startTemporal } from '../support/temporal.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

const CLEAN = { leases: [], scratch: [] };

async function hostWith(
  scenario: TestHostOptions['scenario'],
  more: Partial<TestHostOptions> = {},
): Promise<TestHost & { store: Store }> {
  const store = more.store ?? (await testStore());
  return {
    store,
    ...(await createTestHost({
      defer: onTestFinished,
      environment,
      workflowBundle,
      store,
      scenario,
      ...more,
    })),
  };
}

function start(request: BuildRequestInput): Promise<BuildHandle> {
  return startBuild(environment.client, request, onTestFinished);
}

/** The typed failure that a workflow failed with. */
async function failureOf(handle: BuildHandle): Promise<FailureDetails> {
  const error = await handle.result().then(
    (result) => expect.fail(`ended with ${JSON.stringify(result)}`),
    (failed: unknown) => failed,
  );
  if (!(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure)) throw error;
  expect(error.cause.details).toHaveLength(1);
  return error.cause.details?.[0] as FailureDetails;
}

async function logOf(store: Store, { log }: BuildResult): Promise<string> {
  return Buffer.from(await store.readBytes(log.sha256)).toString();
}

/** The processes that have an open file in the folders of VMs below a scratch folder. */
async function vmProcesses(host: TestHost): Promise<number[]> {
  const root = host.dependencies.directories.scratch;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const isInside = (pid: string, fds: string[]) =>
    fds.some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${root}/`);
      } catch {
        return false;
      }
    });
  const open = await Promise.all(
    pids.map(async (pid) => isInside(pid, await readdir(`/proc/${pid}/fd`).catch(() => []))),
  );
  return pids.filter((pid, index) => open[index] && pid !== `${process.pid}`).map(Number);
}

describe('a build that succeeds', () => {
  test('publishes artifacts, log and statistics, leaves nothing, in a short history', async () => {
    const host = await hostWith(({ phase }) => ({
      log: `the log of ${phase}\n`,
      ...(phase === 'build' ? { files: { 'hello_1.0-1_amd64.deb': { content: 'a package' } } } : {}),
    }));
    await host.start();
    const handle = await start(requestFor('succeeds'));
    const result = await handle.result();
    expect(result).toMatchObject({
      outcome: 'succeeded',
      kernel: { from: 'package', release: '6.1' },
      package: { name: 'succeeds', version: '1.0-1' },
      host: host.dependencies.host,
      vm: { type: 'qemu', isolation: 'emulated' },
      artifacts: [{ path: 'hello_1.0-1_amd64.deb', kind: 'file', size: 9 }],
    });
    expect(BuildResult.parse(result)).toEqual(result);
    expect(await logOf(host.store, result)).toBe('the log of install\nthe log of build\n');
    const artifact = result.artifacts[0]?.sha256 ?? '';
    expect(Buffer.from(await host.store.readBytes(artifact)).toString()).toBe('a package');
    const record = await host.store.readRecord(resultRecord(result.build, result.run));
    expect(JSON.parse(Buffer.from(record ?? []).toString())).toEqual(result);
    expect(await host.store.logSize(logStream(result.run))).toBe(0);
    expect(Object.keys(result.statistics.phaseSeconds)).toEqual(
      expect.arrayContaining(['resolve', 'claim', 'install', 'build', 'upload']),
    );
    expect(await host.leftOvers()).toEqual(CLEAN);
    const { events } = await handle.fetchHistory();
    expect(events?.length).toBeLessThan(100);
    expect(await statusWhere(handle, () => true)).toMatchObject({ state: 'succeeded', phase: 'publish' });
  });

  test('says in words what it does, for the Web UI', async () => {
    const host = await hostWith({ milliseconds: 3000 });
    await host.start();
    const handle = await start(requestFor('details'));
    await statusWhere(handle, ({ phase }) => phase === 'install');
    const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    expect(metadata.currentDetails).toContain(
      '**details 1.0-1**: the guest installs the build root (6 of 10)',
    );
    expect(metadata.currentDetails).toContain(`Host ${host.dependencies.host}, VM qemu (emulated)`);
    await handle.result();
  });
});

test('a place is free before the result is published', async () => {
  const host = await hostWith({});
  const { store } = host.dependencies;
  let atPublication: unknown;
  const publish: Store['publish'] = async (...record) => {
    atPublication = await host.leftOvers();
    return store.publish(...record);
  };
  host.dependencies.store = { ...store, publish };
  await host.start();
  const handle = await start(requestFor('leaves-first'));
  const { statistics } = await handle.result();
  expect(atPublication).toEqual(CLEAN);
  expect(statistics.phaseSeconds).not.toHaveProperty('publish');
  const { phaseSeconds } = await statusWhere(handle, ({ state }) => state === 'succeeded');
  expect(phaseSeconds.publish).toBeGreaterThan(0);
});

describe('a package that fails', () => {
  test('to build is an outcome, published with its log and last lines', async () => {
    const host = await hostWith(({ phase }) =>
      phase === 'build'
        ? { behaviour: 'failing-command', command: 1, exitCode: 2, log: 'one\nE: broken\n' }
        : {},
    );
    await host.start();
    const handle = await start(requestFor('fails'));
    const result = await handle.result();
    expect(result).toMatchObject({
      outcome: 'failed',
      artifacts: [],
      failure: { type: 'BuildFailed', phase: 'build', exitCode: 2, lastLines: ['one', 'E: broken'] },
    });
    expect(result.failure?.message).toMatch(/^dpkg-source --extract .*: exited with 2$/);
    expect(await logOf(host.store, result)).toBe('fake build\none\nE: broken\n');
    expect(await host.store.readRecord(resultRecord(result.build, result.run))).toBeDefined();
    expect(await host.leftOvers()).toEqual(CLEAN);
    expect(await statusWhere(handle, () => true)).toMatchObject({
      state: 'failed',
      failure: { type: 'BuildFailed' },
    });
  });

  test('to install is an outcome too, and there is no second boot', async () => {
    const host = await hostWith({ behaviour: 'failing-command', command: 3, exitCode: 1 });
    await host.start();
    const result = await (await start(requestFor('uninstallable'))).result();
    expect(result.failure).toMatchObject({ type: 'InstallFailed', phase: 'install', exitCode: 1 });
    expect(result.statistics.build).toBeUndefined();
    expect(await host.leftOvers()).toEqual(CLEAN);
  });

  test('for want of disk is DiskFull, not BuildFailed', async () => {
    const host = await hostWith(({ phase }) => (phase === 'build' ? { behaviour: 'disk-full' } : {}));
    await host.start();
    const result = await (await start(requestFor('too-large'))).result();
    expect(result.failure).toMatchObject({ type: 'DiskFull', phase: 'build' });
  });
});

describe('a request that is wrong', () => {
  test('fails as InvalidRequest with the path of each wrong field', async () => {
    const host = await hostWith({});
    await host.start();
    const wrong = { ...requestFor('wrong'), colour: 'red', resources: { memoryMiB: '2 GB' } };
    const handle = await environment.client.workflow.start('build', {
      taskQueue: COMMON_QUEUE,
      workflowId: 'build/wrong/whatever',
      args: [wrong],
    });
    const failure = await failureOf(handle as BuildHandle);
    expect(failure).toMatchObject({ type: 'InvalidRequest', phase: 'resolve' });
    expect(failure.items).toHaveLength(2);
    expect(failure.items?.join('\n')).toMatch(/resources\.memoryMiB: /);
    expect(failure.items?.join('\n')).toMatch(/colour: unknown field/);
  });

  test('fails where it asks for more than the workers allow', async () => {
    const host = await hostWith({});
    await host.start();
    const handle = await start(requestFor('greedy', { resources: { cpus: 64, diskMiB: 8192 } }));
    expect((await failureOf(handle)).items).toEqual([
      'resources.cpus: is 64; the workers allow at most 4',
      'resources.diskMiB: is 8192 MiB; the workers allow at most 4096 MiB',
    ]);
  });

  test('fails where the workflow id is not that of the request', async () => {
    const host = await hostWith({});
    await host.start();
    const handle = await environment.client.workflow.start('build', {
      taskQueue: COMMON_QUEUE,
      workflowId: 'build/other/0000',
      args: [requestFor('honest')],
    });
    expect((await failureOf(handle as BuildHandle)).message).toMatch(
      /the id of this request is build\/honest\//,
    );
  });
});

describe('a cancelled build', () => {
  test('ends as cancelled, with its VM dead, its scratch deleted and its place free', async () => {
    const host = await hostWith(({ phase }) => (phase === 'build' ? { milliseconds: 60_000 } : {}));
    await host.start();
    const handle = await start(requestFor('cancelled'));
    await statusWhere(handle, ({ phase }) => phase === 'build');
    await expect.poll(() => vmProcesses(host), { timeout: 20_000 }).not.toEqual([]);
    await handle.cancel();
    const error = await handle.result().catch((failed: unknown) => failed);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(await vmProcesses(host)).toEqual([]);
    expect(await host.leftOvers()).toEqual(CLEAN);
    expect(await statusWhere(handle, () => true)).toMatchObject({ state: 'cancelled' });
    expect((await handle.describe()).status.name).toBe('CANCELLED');
  });

  test('needs no host while it waits for one', async () => {
    const host = await hostWith({});
    await host.start();
    const request = requestFor('cancelled-early', { vm: { isolation: 'secure' } });
    const handle = await start(request);
    await statusWhere(handle, ({ phase }) => phase === 'claim');
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
  });
});

describe('a build that is terminated', () => {
  test('has its VM killed by its own attempt, and the rest removed by the janitor', async () => {
    const host = await hostWith({ milliseconds: 60_000 });
    await host.start();
    const handle = await start(requestFor('terminated'));
    await statusWhere(handle, ({ phase }) => phase === 'install');
    await expect.poll(() => vmProcesses(host), { timeout: 20_000 }).not.toEqual([]);
    await handle.terminate();
    await expect.poll(() => vmProcesses(host), { timeout: 8000 }).toEqual([]);
    await expect.poll(() => host.leftOvers(), { timeout: 20_000 }).toEqual(CLEAN);
  });
});

describe('waiting for a host', () => {
  test('says NoHostAvailable and what is demanded, and goes on when one comes', async () => {
    const host = await hostWith({}, { host: 'weak' });
    await host.start();
    const request = requestFor('demanding', { vm: { isolation: 'secure' } });
    const handle = await start(request);
    const status = await statusWhere(handle, ({ waiting }) => waiting !== undefined);
    expect(status).toMatchObject({ phase: 'claim', waiting: { type: 'NoHostAvailable' } });
    expect(status.waiting?.message).toContain('slipway-amd64-secure-small');
    const strong = await hostWith({}, { host: 'strong', isolation: 'secure', store: host.store });
    await strong.start();
    expect(await handle.result()).toMatchObject({ host: 'strong', vm: { isolation: 'secure' } });
    expect(await statusWhere(handle, () => true)).not.toHaveProperty('waiting');
  });

  test.each([
    ['than the host has', 4096, 4000, '4096 MiB of memory; host %s gives 4000 MiB to all guests'],
    [
      'than any host has',
      5000,
      4096,
      '5000 MiB of memory are more than any host has for guests: the largest has at most 4096 MiB',
    ],
  ])('says so where more memory is asked %s', async (_, memoryMiB, offered, words) => {
    const host = await hostWith({}, { memoryMiB: offered });
    await host.start();
    const request = requestFor(`fat-${memoryMiB}`, { resources: { memoryMiB, diskMiB: 32, swapMiB: 16 } });
    const { waiting } = await statusWhere(await start(request), (status) => status.waiting !== undefined);
    expect(waiting?.type).toBe('NoHostAvailable');
    expect(waiting?.message).toContain(words.replace('%s', host.dependencies.host));
  });

  test('says HostFull while all places are taken, and never takes one too many', async () => {
    const host = await hostWith({ milliseconds: 7000 });
    await host.start();
    const first = await start(requestFor('first'));
    await statusWhere(first, ({ phase }) => phase === 'install');
    const second = await start(requestFor('second'));
    const { waiting } = await statusWhere(second, (status) => status.waiting !== undefined);
    expect(waiting?.type).toBe('HostFull');
    expect(waiting?.message).toMatch(/^no place is free on .* \(slipway-amd64-/);
    expect((await host.leftOvers()).leases).toHaveLength(1);
    const ends = await Promise.all([first.result(), second.result()]);
    expect(ends.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
  });
});

describe('a worker that is restarted while a VM runs', () => {
  test('finds the VM, and the log has neither hole nor repeat', async () => {
    const host = await hostWith(({ phase }) => ({
      log: `${phase}\n`,
      milliseconds: phase === 'build' ? 9000 : 0,
    }));
    const before = await host.start();
    const handle = await start(requestFor('restarted'));
    await statusWhere(handle, ({ phase }) => phase === 'build');
    const { runId } = await handle.describe();
    await expect.poll(() => host.store.logSize(logStream(runId)), { timeout: 20_000 }).toBe(14);
    // By now none of the installation is left.
    const running = await vmProcesses(host);
    expect(running).not.toEqual([]);
    await before.stop();
    expect(await vmProcesses(host)).toEqual(expect.arrayContaining(running));
    const [id = ''] = (await host.leftOvers()).scratch;
    const log = join(scratchFolder(host.dependencies.directories.scratch, id).vm('build'), 'log');
    await appendFile(log, 'said while nobody listened\n');
    await host.start();
    const result = await handle.result();
    expect(result.outcome).toBe('succeeded');
    expect(await logOf(host.store, result)).toBe('install\nbuild\nsaid while nobody listened\n');
    expect(result.statistics.build?.seconds).toBeGreaterThanOrEqual(9);
    expect(await host.leftOvers()).toEqual(CLEAN);
  });
});

describe('a guest that crashes', () => {
  test('is tried once more, then the build fails as GuestCrashed', async () => {
    let boots = 0;
    const host = await hostWith(({ phase }) => {
      if (phase === 'install') return {};
      boots++;
      return { behaviour: 'panic' };
    });
    await host.start();
    const handle = await start(requestFor('crashing'));
    expect(await failureOf(handle)).toMatchObject({ type: 'GuestCrashed', phase: 'build' });
    expect(boots).toBe(2);
    expect(await host.leftOvers()).toEqual(CLEAN);
  });

  test('and then does not is a build that succeeds', async () => {
    let boots = 0;
    const host = await hostWith(({ phase }) =>
      phase === 'install' && boots++ === 0 ? { behaviour: 'panic', log: 'first\n' } : { log: 'again\n' },
    );
    await host.start();
    const result = await (await start(requestFor('crashed-once'))).result();
    expect(result.outcome).toBe('succeeded');
    expect(await logOf(host.store, result)).toBe('first\nagain\nagain\n');
  });
});

describe('a host that is gone', () => {
  test('is left after its grace, and the build starts over on the next one', async () => {
    const store = await testStore();
    const gone = await hostWith({ milliseconds: 120_000 }, { host: 'gone', store });
    const worker = await gone.start();
    const handle = await start(requestFor('orphaned'));
    await statusWhere(handle, ({ phase }) => phase === 'install');
    await worker.stop();
    const next = await hostWith({}, { host: 'next', store });
    await next.start();
    const result = await handle.result();
    expect(result).toMatchObject({ outcome: 'succeeded', host: 'next' });
    // Nobody renews its deadline: the abandoned VM ends by itself.
    await expect.poll(() => vmProcesses(gone), { timeout: 30_000 }).toEqual([]);
    // When the host comes back its janitor finds what it had.
    expect((await gone.leftOvers()).leases).toHaveLength(1);
    await gone.start();
    await expect.poll(() => gone.leftOvers(), { timeout: 15_000 }).toEqual(CLEAN);
  });
});
