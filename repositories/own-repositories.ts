import { isDeepStrictEqual } from 'node:util';
import type { AptRepository } from './apt-repository.ts';

/**
 * The worker's own repositories where they have to be found out each time. `last`: what they were when that was last
 * done, on this host; a guess, which nobody relies on.
 */
export type OwnRepositories = ((signal: AbortSignal) => Promise<readonly AptRepository[]>) & {
  last?: () => Promise<readonly AptRepository[] | undefined>;
};

/**
 * What `work` makes of the worker's own repositories. It begins with those that they last were, while it is found out
 * what they are, and is done again from the start where they are others by now.
 * @throws what either throws; the signal's reason
 */
export async function withOwnRepositories<Result>(
  repositories: readonly AptRepository[] | OwnRepositories,
  signal: AbortSignal,
  work: (own: readonly AptRepository[], signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  if (typeof repositories !== 'function') return await work(repositories, signal);
  const last = await repositories.last?.();
  if (last === undefined) return await work(await repositories(signal), signal);
  const stop = new AbortController();
  const early = work(last, AbortSignal.any([signal, stop.signal]));
  const ended = early.then(ignore, ignore);
  try {
    const now = await repositories(signal);
    if (isDeepStrictEqual(now, last)) return await early;
    stop.abort();
    await ended;
    return await work(now, signal);
  } finally {
    stop.abort();
    await ended;
  }
}

function ignore(): void {}
