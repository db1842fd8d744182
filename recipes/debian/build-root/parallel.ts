import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';

/** Packages read at the same time: decompression takes a processor each, and hosts run other builds. */
export const PARALLEL = Math.min(availableParallelism(), 4);

/**
 * Does `work` for each item, some at a time. The first failure stops the others; returns or throws when none runs any
 * more, so that what they used can be taken away.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal, index: number) => Promise<Result>,
): Promise<Result[]> {
  const limit = pLimit(PARALLEL);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const failures: unknown[] = [];
  const attempt = async (item: Item, index: number) => {
    try {
      either.throwIfAborted();
      return await work(item, either, index);
    } catch (error) {
      failures.push(error);
      stop.abort(error);
      throw error;
    }
  };
  const results = await Promise.allSettled(items.map((item, index) => limit(attempt, item, index)));
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
