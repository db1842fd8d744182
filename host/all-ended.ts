/**
 * `Promise.all` that leaves nothing running behind: it waits for the end of each. Of several failures it throws that of
 * the first in their order, whichever came first.
 */
export async function allEnded<Results extends readonly unknown[]>(
  work: readonly [...{ [At in keyof Results]: Promise<Results[At]> }],
): Promise<Results> {
  const ended = await Promise.allSettled(work);
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
  return ended.map((each) => (each as PromiseFulfilledResult<unknown>).value) as unknown as Results;
}
