import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { FailureType } from '../../schema/failures.ts';
import type { BuildRequestInput } from '../../schema/request.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { createTestHost, requestFor, testStore } from '../support/build-host.ts';
import { type BuildHandle, startBuild } from '../support/builds.ts';
import type { FakeScenario } from '../support/fake-vm.ts';
import { startTemporal } from '../support/temporal.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

interface End {
  as: 'result' | 'failure';
  type: FailureType;
}

interface Case {
  name: string;
  /** What the guest does in the build phase. */
  behaviour: NonNullable<FakeScenario['behaviour']>;
  /** How often; then it succeeds. Default: each time. */
  times?: number;
  limits?: BuildRequestInput['limits'];
  /** How the build ends: with a result, or as failed. Absent: it succeeds. */
  ends?: End;
  /** Boots of the build phase, each in a round of its own. */
  rounds: number;
}

const CASES: readonly Case[] = [
  // Of the package: an outcome, tried once.
  { name: 'out-of-memory', behaviour: 'out-of-memory', ends: result('GuestOutOfMemory'), rounds: 1 },
  {
    ...{ name: 'too-loud', behaviour: 'flood', limits: { logMiB: 1 } },
    ...{ ends: result('LogLimitExceeded'), rounds: 1 },
  },
  {
    ...{ name: 'too-silent', behaviour: 'silence', limits: { logSilenceSeconds: 5 } },
    ...{ ends: result('BuildStalled'), rounds: 1 },
  },
  {
    ...{ name: 'too-long', behaviour: 'long', limits: { totalSeconds: 10 } },
    ...{ ends: result('BuildTimedOut'), rounds: 1 },
  },
  // Of the guest: tried once more.
  { name: 'no-status', behaviour: 'no-status', ends: failure('NoStatus'), rounds: 2 },
  { name: 'no-status-once', behaviour: 'no-status', times: 1, rounds: 2 },
  {
    ...{ name: 'hung', behaviour: 'hang', limits: { heartbeatSeconds: 5 } },
    ...{ ends: failure('GuestHung'), rounds: 2 },
  },
  // Of the host: it starts over when there is space.
  { name: 'no-space-once', behaviour: 'no-space', times: 1, rounds: 2 },
];

function result(type: FailureType): End {
  return { as: 'result', type };
}

function failure(type: FailureType): End {
  return { as: 'failure', type };
}

/** How a build ended: what failed, and whether it has a result all the same. */
async function endOf(handle: BuildHandle): Promise<End | undefined> {
  try {
    const { failure: failed } = await handle.result();
    return failed && result(failed.type);
  } catch (error) {
    if (!(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure)) throw error;
    return failure(error.cause.type as FailureType);
  }
}

test.each(CASES)('$name', async ({ name, behaviour, times = 99, limits = {}, ends, rounds }) => {
  let boots = 0;
  const host = await createTestHost({
    ...{ defer: onTestFinished, environment, workflowBundle, store: await testStore(onTestFinished) },
    scenario: ({ phase }) => (phase === 'build' && ++boots <= times ? { behaviour } : {}),
  });
  await host.start();
  const handle = await startBuild(environment.client, requestFor(name, { limits }), onTestFinished);
  expect(await endOf(handle)).toEqual(ends);
  expect(boots).toBe(rounds);
  expect(await host.leftOvers()).toEqual({ leases: [], scratch: [] });
});
