import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CopyQueue } from './copy-queue.ts';
import type { Copied, CopyTask } from './copy-task.ts';
import type { CopyAnswer, CopyThreadData } from './copy-thread.ts';
import { ringMemory } from './hash-ring.ts';

/** More than these compete for the disk. */
const MOST_THREADS = 4;
/** A thread starts in the time in which one alone writes as much. */
const WORTH_BYTES = 48 * 1024 * 1024;
const WORTH_FILES = 500;
const LOOK_MILLISECONDS = 200;

export interface CopyOrders {
  /** Descriptors of disk and swap, open for as long as this runs. */
  devices: CopyThreadData['devices'];
  /** From 1 on. */
  threads: number;
  signal: AbortSignal;
  /** Told of bytes that were done since it was last told. */
  copied: (bytes: number) => void;
}

/** How many threads it takes to write so much; 0: none but the one that runs already. */
export function threadsFor(bytes: number, files: number): number {
  if (bytes < WORTH_BYTES && files < WORTH_FILES) return 0;
  return Math.min(MOST_THREADS, availableParallelism());
}

/**
 * Writes files in threads of their own, which end with it. Hashing SHA-256 takes a processor longer than reading and
 * writing the same bytes: several files are worked at at once, and a large one that is alone is hashed by one thread
 * while another one reads and writes it.
 * @throws the system's error where a file cannot be read or written; the signal's reason
 */
export async function copyInThreads(tasks: readonly CopyTask[], orders: CopyOrders): Promise<Copied[]> {
  orders.signal.throwIfAborted();
  const queue = new CopyQueue(tasks, orders.threads);
  const shared = { stop: new SharedArrayBuffer(4), progress: new SharedArrayBuffer(8) };
  const stop = () => Atomics.store(new Int32Array(shared.stop), 0, 1);
  const ring = queue.hasLarge ? ringMemory(shared.stop) : undefined;
  const data: CopyThreadData = { devices: orders.devices, ...shared };
  const hasher = ring === undefined ? [] : [start('./hash-thread.ts', ring)];
  const copiers = Array.from({ length: Math.min(orders.threads, tasks.length) }, (_, i) =>
    start('./copy-thread.ts', i === 0 && ring !== undefined ? { ...data, ring } : data),
  );
  orders.signal.addEventListener('abort', stop);
  const tell = teller(shared.progress, orders.copied);
  const timer = setInterval(tell, LOOK_MILLISECONDS);
  const results: Copied[] = [];
  const work = copiers.map((thread, i) => feed(thread, queue, i === 0 && ring !== undefined, results));
  try {
    // A thread that hashes ends before the others only where it fails.
    await Promise.race([Promise.all(work), ...hasher.map(failure)]);
    return results;
  } catch (error) {
    orders.signal.throwIfAborted();
    throw error;
  } finally {
    stop();
    await Promise.allSettled(work);
    await Promise.all([...copiers, ...hasher].map((thread) => thread.terminate()));
    orders.signal.removeEventListener('abort', stop);
    clearInterval(timer);
    tell();
  }
}

function start(program: string, workerData: unknown): Worker {
  return new Worker(new URL(program, import.meta.url), { workerData, env: {}, execArgv: [] });
}

async function failure(thread: Worker): Promise<never> {
  throw await new Promise((resolve) => thread.once('error', resolve));
}

/** Sends a thread one batch after the other. */
async function feed(
  thread: Worker,
  queue: CopyQueue,
  canHashBeside: boolean,
  results: Copied[],
): Promise<void> {
  for (;;) {
    const { numbers, tasks } = queue.take(canHashBeside);
    if (tasks.length === 0) return;
    // Copies of their own: of a view of the list the whole list would be sent.
    thread.postMessage(tasks.map((task) => ({ ...task, extents: new Uint8Array(task.extents) })));
    // Rejects where the thread dies.
    const [answer] = (await once(thread, 'message')) as [CopyAnswer];
    queue.done();
    if ('error' in answer) throw Object.assign(new Error(answer.error.message), answer.error);
    for (const [i, copied] of answer.copied.entries()) results[numbers[i] as number] = copied;
  }
}

function teller(progress: SharedArrayBuffer, copied: (bytes: number) => void): () => void {
  const counter = new BigInt64Array(progress);
  return () => {
    const bytes = Number(Atomics.exchange(counter, 0, 0n));
    if (bytes > 0) copied(bytes);
  };
}
