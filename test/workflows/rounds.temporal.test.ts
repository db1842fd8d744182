import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { scratchFolder } from '../../host/scratch.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { createTestHost, requestFor, type TestHost, testStore } from '../support/build-host.ts';
import { type BuildHandle, startBuild } from '../support/builds.ts';
import type { FakeVmOptions } from '../support/fake-vm.ts';
import { startTemporal } from '../support/temporal.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

/** Does something to a lease just before the step of the build phase looks at it, so that no janitor comes between. */
type Mishap = (leaseFile: string) => void;

const lose: Mishap = (file) => rmSync(file);
const reboot: Mishap = (file) => {
  const lease = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...lease, bootId: '00000000-0000-0000-0000-000000000000' }));
};

/** A lease meets with the mishap once its install phase has ended, in the given number of rounds. */
function meet(host: TestHost, mishap: Mishap, inRound: () => boolean): void {
  const { leases, directories } = host.dependencies;
  const check = (id: string) => {
    const installed = existsSync(join(scratchFolder(directories.scratch, id).vm('install'), 'end.json'));
    if (installed && inRound()) mishap(join(dirname(directories.scratch), 'leases', `${id}.json`));
    return leases.check(id);
  };
  host.dependencies.leases = { ...leases, check };
}

/** Two hosts of one store, so that a round need not wait until a host is done with leaving the build to others. */
async function twoHosts(name: string, mishap: Mishap, mishaps: number) {
  const store = await testStore(onTestFinished);
  let boots = 0;
  let met = 0;
  const scenario: FakeVmOptions['scenario'] = ({ phase }) => ({ log: `${phase} is boot ${++boots}\n` });
  const hosts = await Promise.all(
    ['one', 'two'].map((host) =>
      createTestHost({
        ...{ defer: onTestFinished, environment, workflowBundle, store, scenario },
        host: `${name}-${host}`,
      }),
    ),
  );
  for (const host of hosts) {
    meet(host, mishap, () => met++ < mishaps);
    await host.start();
  }
  return {
    handle: await startBuild(environment.client, requestFor(name), onTestFinished),
    left: async () => {
      const all = await Promise.all(hosts.map((host) => host.leftOvers()));
      return all.flatMap(({ leases, scratch }) => [...leases, ...scratch]);
    },
    log: async (digest: string) => Buffer.from(await store.readBytes(digest)).toString(),
  };
}

/** Types of the failures that activities ended with, in their order; and how often there was a lock or a place. */
async function told(handle: BuildHandle) {
  const { events } = await handle.fetchHistory();
  const scheduled = (type: string) =>
    events?.filter(({ activityTaskScheduledEventAttributes: of }) => of?.activityType?.name === type).length;
  return {
    failures: events?.flatMap(
      ({ activityTaskFailedEventAttributes: of }) => of?.failure?.applicationFailureInfo?.type ?? [],
    ),
    locks: scheduled('resolveInputs'),
    places: scheduled('claimHost'),
  };
}

test.each([
  ['LeaseLost', lose],
  ['HostRebooted', reboot],
] as const)('%s leads to a new round from the same lock', async (type, mishap) => {
  const { handle, left, log } = await twoHosts(type.toLowerCase(), mishap, 1);
  const result = await handle.result();
  expect(result.outcome).toBe('succeeded');
  expect(await told(handle)).toEqual({ failures: [type], locks: 1, places: 2 });
  // Who follows the log sees both rounds.
  expect(await log(result.log.sha256)).toBe('install is boot 1\ninstall is boot 2\nbuild is boot 3\n');
  expect(await left()).toEqual([]);
});

test('a build that lost its place in all rounds ends as HostLost, which says what it was the last time', async () => {
  const { handle, left } = await twoHosts('unlucky', lose, 99);
  const error = await handle.result().catch((failed: unknown) => failed);
  const cause = (error as WorkflowFailedError).cause as ApplicationFailure;
  expect(error).toBeInstanceOf(WorkflowFailedError);
  expect(cause).toBeInstanceOf(ApplicationFailure);
  expect(cause.type).toBe('HostLost');
  expect(cause.message).toMatch(/^the place on the host was lost 5 times; the last time: LeaseLost: host /);
  expect(await told(handle)).toEqual({ failures: Array(5).fill('LeaseLost'), locks: 1, places: 5 });
  expect(await left()).toEqual([]);
});
