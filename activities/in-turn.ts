const last = new Map<string, Promise<unknown>>();

/**
 * Runs the work of a step on the disks of a lease when none of this process is at work there any more. An attempt that
 * timed out (Temporal was away, the worker was frozen) goes on until it hears of it, and tidies up then: what the next
 * attempt has made meanwhile must not be what it takes away.
 */
export async function inTurn<Result>(lease: string, work: () => Promise<Result>): Promise<Result> {
  const before = last.get(lease);
  const own = before === undefined ? work() : before.then(work, work);
  last.set(lease, own);
  try {
    return await own;
  } finally {
    if (last.get(lease) === own) last.delete(lease);
  }
}
