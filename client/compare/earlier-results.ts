import { SlipwayFailure } from '../../schema/failures.ts';
import type { BuildResult } from '../../schema/result.ts';
import { BlobMissing, type Store } from '../../stores/store.ts';
import type { CommandContext } from '../context.ts';
import { publishedResults } from '../records.ts';
import { asked } from './comparison.ts';

type Context = Pick<CommandContext, 'slipway' | 'store'>;

/** A result that has something to be compared. */
export type Wanted = 'any' | 'succeeded';

/**
 * The newest published result of a build, by any abbreviation of its id; with `succeeded` the newest that did, where there
 * is one. A run that is under way or has broken is passed over.
 * @throws SlipwayFailure InvalidRequest where there is none, or retention has deleted it
 */
export async function newestResult(
  { slipway, store }: Context,
  text: string,
  wanted: Wanted,
): Promise<BuildResult> {
  const id = await slipway.find(text);
  const results = await publishedResults(store, `results/${id}/`);
  const result = results.find(({ outcome }) => wanted === 'any' || outcome === 'succeeded') ?? results[0];
  return result ?? (await slipway.result(id));
}

/**
 * The newest result before this one that was asked for in the same way, its lock aside.
 * @throws SlipwayFailure InvalidRequest where there is none
 */
export async function resultBefore({ store }: Context, result: BuildResult): Promise<BuildResult> {
  const [, name = ''] = result.build.split('/');
  const results = await publishedResults(store, `results/build/${name}/`);
  const before = results.find(
    (each) =>
      each.run !== result.run &&
      each.outcome === 'succeeded' &&
      Date.parse(each.startedAt) <= Date.parse(result.startedAt) &&
      asked(each) === asked(result),
  );
  if (before !== undefined) return before;
  throw new SlipwayFailure('InvalidRequest', `${result.build} has no earlier result of an equal request.`, {
    advice: 'Name the other build too, or make one: slipway rebuild --compare.',
  });
}

/** @throws SlipwayFailure InvalidRequest where the build failed: it made nothing that could be compared */
export function mustHaveSucceeded({ build, outcome, failure }: BuildResult): void {
  if (outcome === 'succeeded') return;
  throw new SlipwayFailure(
    'InvalidRequest',
    `${build} failed (${failure?.type}): there is nothing to compare.`,
    {
      advice: 'Name a build that succeeded (slipway status). rebuild without --compare builds it again.',
    },
  );
}

/**
 * Puts the lock of a result into the store again, so that retention lets it be until the build that is to use it is known.
 * @throws SlipwayFailure InvalidRequest where the store no longer has it
 */
export async function renewLock(
  store: Pick<Store, 'readBytes' | 'putBytes'>,
  { build, lock }: BuildResult,
): Promise<void> {
  try {
    await store.putBytes(await store.readBytes(lock));
  } catch (error) {
    if (!(error instanceof BlobMissing)) throw error;
    throw new SlipwayFailure('InvalidRequest', `The lock of ${build} is gone: ${error.message}`, {
      advice: 'Nobody knows what went into it: build it anew (slipway build).',
      cause: error,
    });
  }
}
