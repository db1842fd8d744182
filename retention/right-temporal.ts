import { SlipwayFailure } from '../schema/failures.ts';
import type { KnownResult } from './inventory.ts';
import type { Builds } from './open-builds.ts';

/** Temporal remembers a closed run for at least a day. */
const REMEMBERED_MILLISECONDS = 12 * 3600 * 1000;
/** Others may have built with a Temporal of their own on the same store. */
const ASKED_ABOUT = 50;

const WAY_ON =
  'Set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE to the Temporal that the workers use. Where no build can be open: see --without-temporal in slipway gc --help.';

/**
 * Another server than that of the workers would say that no build is open. The right one knows a build of the last hours,
 * whose result is in the store; where there is none, at least it knows a build, or workers poll it. That somebody named
 * its address proves nothing: it may be the wrong one.
 * @throws SlipwayFailure HostUnfit
 */
export async function checkTemporal(
  builds: Pick<Builds, 'knows' | 'isInUse'>,
  results: readonly KnownResult[],
  now: number,
): Promise<void> {
  const recent = results
    .filter(({ endedAt }) => now - endedAt <= REMEMBERED_MILLISECONDS)
    .sort((a, b) => b.endedAt - a.endedAt)
    .slice(0, ASKED_ABOUT);
  for (const { build, run } of recent) if (await builds.knows(build, run)) return;
  const [newest] = recent;
  if (newest !== undefined) throw knowsNone(newest, recent.length);
  if (await builds.isInUse()) return;
  throw new SlipwayFailure(
    'HostUnfit',
    'nothing shows that this Temporal is the one of the workers: it knows no build, no worker polls it, and the store has no result of the last 12 hours to compare with',
    { advice: `${WAY_ON} Or start a worker.` },
  );
}

function knowsNone({ build }: KnownResult, count: number): SlipwayFailure {
  const what =
    count === 1
      ? `${build}, whose result is in the store`
      : `any of the newest ${count} builds whose results are in the store, among them ${build}`;
  return new SlipwayFailure(
    'HostUnfit',
    `this Temporal does not know ${what}: it is not the one of the workers, or all of the last 12 hours was built with another Temporal, as by build --local on the same store`,
    {
      advice: `${WAY_ON} After such a build by another Temporal gc goes on when one with this Temporal has ended, or 12 hours later.`,
    },
  );
}
