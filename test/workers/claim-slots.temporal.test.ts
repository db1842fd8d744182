import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createInstantVm } from '../../bench/load/instant-vm.ts';
import type { BuildRequestInput } from '../../schema/request.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { createTestHost, requestFor, type TestHost, testStore } from '../support/build-host.ts';
import { type BuildHandle, startBuild, statusWhere } from '../support/builds.ts';
import type { FakeScenario } from '../support/fake-vm.ts';
import { startTemporal } from '../support/temporal.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

/** Demands of three different queues that the same host satisfies. */
const DEMANDS: Partial<BuildRequestInput>[] = [
  {},
  { vm: { type: 'qemu' } },
  { vm: { isolation: 'shared-kernel' } },
];

async function hostWith(
  options: { builds?: number; memoryMiB?: number; guest?: FakeScenario } = {},
): Promise<TestHost> {
  const { guest, ...more } = options;
  const host = await createTestHost({
    ...{ defer: onTestFinished, environment, workflowBundle, store: await testStore(onTestFinished) },
    ...{ scenario: guest ?? {}, graceSeconds: 60, ...more },
  });
  if (guest === undefined) {
    const vm = createInstantVm();
    host.dependencies.vms = new Map([[vm.type, vm]]);
  }
  return host;
}

function start(name: string, more: Partial<BuildRequestInput> = {}): Promise<BuildHandle> {
  return startBuild(environment.client, requestFor(name, more), onTestFinished);
}

function startMany(name: string, count: number): Promise<BuildHandle[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => start(`${name}-${index}`, DEMANDS[index % DEMANDS.length])),
  );
}

/** How often a claim was tried that is still waited for; 0 until somebody tried. */
async function triesOf(handle: BuildHandle): Promise<number> {
  const { raw } = await handle.describe();
  const claim = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'claimHost');
  return claim?.lastFailure == null ? 0 : (claim.attempt ?? 1) - 1;
}

async function triesOfAll(handles: readonly BuildHandle[]): Promise<number> {
  return (await Promise.all(handles.map(triesOf))).reduce((sum, tries) => sum + tries, 0);
}

/** Seconds from the order of the claim to its answer, and the attempts that it took. */
async function claimOf(handle: BuildHandle): Promise<{ seconds: number; attempt: number }> {
  const { events } = await handle.fetchHistory();
  const all = events ?? [];
  const ordered = all.find(
    ({ activityTaskScheduledEventAttributes: of }) => of?.activityType?.name === 'claimHost',
  );
  const isOf = (id: unknown) => `${id}` === `${ordered?.eventId}`;
  const started = all.find(({ activityTaskStartedEventAttributes: of }) => isOf(of?.scheduledEventId));
  const done = all.find(({ activityTaskCompletedEventAttributes: of }) => isOf(of?.scheduledEventId));
  const at = (event: typeof done) => Number(event?.eventTime?.seconds) + (event?.eventTime?.nanos ?? 0) / 1e9;
  return {
    seconds: at(done) - at(ordered),
    attempt: started?.activityTaskStartedEventAttributes?.attempt ?? 0,
  };
}

test('no place is given twice, whatever the queue, also by a worker that takes over; claims wait their turn', async () => {
  const host = await hostWith({ builds: 2 });
  const first = await host.start();
  const handles = await startMany('crowd', 18);
  let most = 0;
  const watched = new AbortController();
  const watching = (async () => {
    for (; !watched.signal.aborted; await sleep(10))
      most = Math.max(most, (await host.leftOvers()).leases.length);
  })();
  await handles[2]?.result();
  await first.stop();
  await host.start();
  const results = await Promise.all(handles.map((handle) => handle.result()));
  watched.abort();
  await watching;
  expect(results.map(({ outcome }) => outcome)).toEqual(handles.map(() => 'succeeded'));
  expect(most).toBe(2);
  const claims = await Promise.all(handles.map(claimOf));
  // Each queue may lose a turn when a worker begins; without waiting for a place it would be several for each build.
  expect(claims.reduce((sum, { attempt }) => sum + attempt, 0)).toBeLessThan(1.5 * handles.length);
  expect(await host.leftOvers()).toEqual({ leases: [], scratch: [] });
});

test('a host that has nothing to do is claimed at once, on each of its queues', async () => {
  const host = await hostWith({ builds: 1 });
  await host.start();
  await sleep(1000);
  for (const [index, demand] of DEMANDS.entries()) {
    const handle = await start(`idle-${index}`, demand);
    await handle.result();
    const { seconds, attempt } = await claimOf(handle);
    expect(seconds).toBeLessThan(2);
    expect(attempt).toBe(1);
  }
});

test('builds that wait for a full host do not try again and again, and are told that it is full', async () => {
  const host = await hostWith({ builds: 1, guest: { behaviour: 'long' } });
  await host.start();
  const first = await start('long');
  await statusWhere(first, ({ phase }) => phase === 'install');
  const waiting = await startMany('waiting', 30);
  const reasons = await Promise.all(
    waiting.map((handle) => statusWhere(handle, (status) => status.waiting !== undefined)),
  );
  const messages = reasons.flatMap(({ waiting: why }) => (why?.type === 'HostFull' ? [why.message] : []));
  expect(messages).toHaveLength(waiting.length);
  // One of each queue was answered by the poll that was there before the host was full.
  const full = `no place is free on .*${host.dependencies.host} \\(slipway-.*\\); about \\d+ builds wait for one`;
  const untried = messages.filter((message) => new RegExp(`^${full}$`).test(message));
  expect(untried.length).toBeGreaterThanOrEqual(waiting.length - DEMANDS.length);
  // Ten seconds have gone: thirty builds that try each second would be at three hundred.
  expect(await triesOfAll(waiting)).toBeLessThanOrEqual(DEMANDS.length);
  for (const handle of [...waiting, first]) await handle.cancel();
  await Promise.allSettled([...waiting, first].map((handle) => handle.result()));
  await expect.poll(() => host.leftOvers(), { timeout: 20_000 }).toEqual({ leases: [], scratch: [] });
});

test('builds that wait for memory, where there are places, try once a second for each queue', async () => {
  const host = await hostWith({ builds: 9, memoryMiB: 300, guest: { behaviour: 'long' } });
  await host.start();
  const first = await start('fat');
  await statusWhere(first, ({ phase }) => phase === 'install');
  const waiting = await Promise.all(
    Array.from({ length: 20 }, (_, index) => start(`waits-for-memory-${index}`)),
  );
  const began = performance.now();
  const before = await triesOfAll(waiting);
  await sleep(5000);
  const tries = (await triesOfAll(waiting)) - before;
  expect(tries).toBeGreaterThan(0);
  expect(tries).toBeLessThan(2 + (performance.now() - began) / 1000);
  for (const handle of [...waiting, first]) await handle.cancel();
  await Promise.allSettled([...waiting, first].map((handle) => handle.result()));
});
