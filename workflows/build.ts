import {
  ApplicationFailure,
  CancelledFailure,
  defineQuery,
  isCancellation,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import type { Demand, ResolvedInputs } from '../activities/contract.ts';
import type { FailureDetails } from '../schema/failures.ts';
import type { BuildRequestInput } from '../schema/request.ts';
import type { BuildResult } from '../schema/result.ts';
import { resolving } from './activity-classes.ts';
import { BuildProgress } from './build-progress.ts';
import { claim } from './claim.ts';
import { publish, round } from './round.ts';
import type { BuildStatus } from './status.ts';
import { failureOf, isCancelled, verdict } from './verdict.ts';

const ROUNDS = 5;
const WAIT_FOR_SPACE = '30s';

/**
 * Builds a package in a throwaway VM on whichever host satisfies the request, and publishes the result. Ends with a
 * result also where the package fails to build; fails with the typed failure where there can be no result.
 */
export async function build(request: BuildRequestInput): Promise<BuildResult> {
  const progress = new BuildProgress();
  setHandler(defineQuery<BuildStatus>('status'), () => progress.status());
  try {
    const inputs = await resolving('request to lock').resolveInputs(request);
    progress.resolved(inputs);
    const result = await publish(await inRounds(inputs, progress), progress);
    progress.end(result.outcome, result.failure);
    return result;
  } catch (error) {
    if (isCancelled(error)) {
      progress.end('cancelled');
      throw isCancellation(error)
        ? error
        : new CancelledFailure('the build was cancelled', [], asError(error));
    }
    const failure = error instanceof Exhausted ? error.failure : failureOf(error);
    progress.end('failed', failure);
    throw failure === undefined ? error : typed(failure, error);
  }
}

/** Claims a host and builds there; again from the same lock where the host is lost or the guest broke. */
async function inRounds(inputs: ResolvedInputs, progress: BuildProgress): Promise<BuildResult> {
  const demand = demandOf(inputs);
  let broken = 0;
  for (let number = 1; ; number++) {
    progress.enter('claim');
    const lease = await claim(demand, number, progress);
    try {
      return await round(lease, inputs, progress);
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined || isCancelled(error)) throw error;
      const what = verdict(failure);
      if (what === 'fatal' || what === 'outcome' || (what === 'elsewhere' && ++broken > 1)) throw error;
      if (number === ROUNDS) throw new Exhausted(failure, asError(error));
      progress.wait(failure);
      demand.avoid = lease.host;
      if (failure.type === 'ScratchFull')
        await sleep(WAIT_FOR_SPACE, { summary: 'for space on a scratch disk' });
    }
  }
}

function demandOf({ request: { architecture, vm, resources }, handedInMiB = 0 }: ResolvedInputs): Demand {
  const { cpus, memoryMiB, diskMiB } = resources;
  const swapMiB = Math.max(resources.swapMiB, handedInMiB);
  return { architecture, ...vm, cpus, memoryMiB, diskMiB, swapMiB };
}

/** All rounds are used up: what was lost in the last one stands for all of them. */
class Exhausted extends Error {
  readonly failure: FailureDetails;

  constructor(last: FailureDetails, cause: Error) {
    const message = `the place on the host was lost ${ROUNDS} times; the last time: ${last.type}: ${last.message}`;
    super(message, { cause });
    this.failure = last.type === 'ScratchFull' ? last : { ...last, type: 'HostLost', message };
  }
}

function typed(failure: FailureDetails, cause: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type: failure.type,
    message: failure.message,
    nonRetryable: true,
    details: [failure],
    cause: asError(cause),
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
