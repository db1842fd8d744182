import { CancellationScope, isCancellation, log, sleep } from '@temporalio/workflow';
import type { Demand, Lease } from '../activities/contract.ts';
import { asking, claiming } from './activity-classes.ts';
import type { BuildProgress } from './build-progress.ts';
import { demandQueue } from './names.ts';

const FIRST_LOOK = 10_000;
const LOOK_AT_LEAST_EVERY = 600_000;

/** Waits for a place on a host that satisfies the demand, and says why while it waits. */
export async function claim(demand: Demand, round: number, progress: BuildProgress): Promise<Lease> {
  const watching = new CancellationScope();
  const watched = watching.run(() => watch(demand, progress)).catch(unlessCancelled);
  try {
    return await claiming(demandQueue(demand), `a place: ${wanted(demand)}`).claimHost(demand, round);
  } finally {
    watching.cancel();
    await watched;
    progress.goOn();
  }
}

/** The pauses double, so that a build that waits for days has a short history all the same. */
async function watch(demand: Demand, progress: BuildProgress): Promise<never> {
  for (let pause = FIRST_LOOK; ; pause = Math.min(2 * pause, LOOK_AT_LEAST_EVERY)) {
    await sleep(pause, { summary: 'until somebody looks why no host answers' });
    try {
      progress.wait(await asking(`who offers ${wanted(demand)}`).explainWait(demand));
    } catch (error) {
      if (isCancellation(error)) throw error;
      log.warn('could not find out why the build waits', { error });
    }
  }
}

function wanted({ architecture, isolation, type, memoryMiB }: Demand): string {
  return `${architecture}, ${type ?? `isolation ${isolation} or stronger`}, ${memoryMiB} MiB`;
}

function unlessCancelled(error: unknown): void {
  if (!isCancellation(error)) throw error;
}
