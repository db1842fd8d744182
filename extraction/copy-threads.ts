import { availableParallelism, loadavg } from 'node:os';
import { type CopyThread, giveBack, takeThreads } from './copy-pool.ts';
import { CopyQueue } from './copy-queue.ts';
import type { Copied, CopyTask, JobShare } from './copy-task.ts';

/** More than these compete for the disk. */
const MOST_THREADS = 4;
/** What one thread does in the time in which others start. */
const WORTH_BYTES = 64 * 1024 * 1024;
const WORTH_FILES = 500;
const LOOK_MILLISECONDS = 200;

export interface CopyOrders {
  /** Descriptors of disk and swap, open for as long as this runs. */
  devices: JobShare['devices'];
  /** From 1 on. */
  threads: number;
  signal: AbortSignal;
  /** Told of bytes that were done since it was last told. */
  copied: (bytes: number) => void;
}

/**
 * How many threads it takes to write so much; 0: none but the one that runs already. Of few bytes in many files threads
 * need a fraction of the processor's time; many bytes cost the same either way, and are only sooner done where a
 * processor has nothing else to do.
 * @param load processes that run or wait, as the kernel's average of the last minute says
 */
export function threadsFor(bytes: number, files: number, load = loadavg()[0] ?? 0): number {
  const processors = availableParallelism();
  const isWorthIt = files >= WORTH_FILES || (bytes >= WORTH_BYTES && load < 1.5 * processors);
  return isWorthIt ? Math.min(MOST_THREADS, processors) : 0;
}

/**
 * Writes files in threads. Hashing SHA-256 takes a processor longer than reading and writing the same bytes: several
 * files are worked at at once, and a large one that is alone is hashed by one thread while another one reads and writes
 * it.
 * @throws the system's error where a file cannot be read or written; the signal's reason
 */
export async function copyInThreads(tasks: readonly CopyTask[], orders: CopyOrders): Promise<Copied[]> {
  const { devices, threads: wanted, signal, copied } = orders;
  signal.throwIfAborted();
  const queue = new CopyQueue(tasks, wanted);
  const share = { devices, stop: new SharedArrayBuffer(4), progress: new SharedArrayBuffer(8) };
  const stop = () => Atomics.store(new Int32Array(share.stop), 0, 1);
  signal.addEventListener('abort', stop);
  const tell = teller(share.progress, copied);
  const timer = setInterval(tell, LOOK_MILLISECONDS);
  const results: Copied[] = [];
  const threads = takeThreads(Math.min(wanted, tasks.length));
  const work = threads.map((thread, i) => feed(thread, queue, i === 0, share, results));
  try {
    await Promise.all(work);
    await giveBack(threads);
    return results;
  } catch (error) {
    stop();
    await Promise.allSettled(work);
    await Promise.all(threads.map((thread) => thread.end()));
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    clearInterval(timer);
    tell();
  }
}

/** Sends a thread one batch after the other. */
async function feed(
  thread: CopyThread,
  queue: CopyQueue,
  isFirst: boolean,
  share: JobShare,
  results: Copied[],
): Promise<void> {
  for (;;) {
    const { numbers, tasks } = queue.take(isFirst);
    if (tasks.length === 0) return;
    const copied = await thread.copy(tasks, share);
    queue.done();
    for (const [i, each] of copied.entries()) results[numbers[i] as number] = each;
  }
}

function teller(progress: SharedArrayBuffer, copied: (bytes: number) => void): () => void {
  const counter = new BigInt64Array(progress);
  return () => {
    const bytes = Number(Atomics.exchange(counter, 0, 0n));
    if (bytes > 0) copied(bytes);
  };
}
