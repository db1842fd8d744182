import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Copied, CopyTask, JobShare } from './copy-task.ts';
import type { CopyAnswer, CopyMessage } from './copy-thread.ts';
import { type RingMemory, ringMemory } from './hash-ring.ts';

/** Milliseconds without work, then a thread ends. Starting one takes the time of copying 100 MB. */
const IDLE = 120_000;
/** Threads that are kept for the next job: more are for the moment only. */
const MOST_IDLE = 4;

/** A thread that copies, and the one that hashes beside it where that was ever wanted. */
export class CopyThread {
  readonly #copier = start('./copy-thread.ts');
  #beside: { hasher: Worker; ring: RingMemory } | undefined;
  readonly #failed: Promise<never>;
  #fail: (error: unknown) => void = () => {};
  #idle: NodeJS.Timeout | undefined;

  constructor() {
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // Heard where somebody waits for an answer; and nobody gets it again.
    this.#failed.catch(() => idle.delete(this));
    this.#copier.on('error', this.#fail);
  }

  /** @throws the system's error where a file cannot be read or written, any where a thread died */
  async copy(tasks: readonly CopyTask[], share: JobShare): Promise<Copied[]> {
    const ring = tasks.some(({ hashedBeside }) => hashedBeside) ? this.#ringOfHasher() : undefined;
    const message: CopyMessage = {
      // Copies of their own: of a view of the list the whole list would be sent.
      tasks: tasks.map((task) => ({ ...task, extents: new Uint8Array(task.extents) })),
      share,
      ...(ring === undefined ? {} : { ring }),
    };
    this.#copier.postMessage(message);
    const [answer] = (await Promise.race([once(this.#copier, 'message'), this.#failed])) as [CopyAnswer];
    if ('error' in answer) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.copied;
  }

  /** The hasher's ring, where it is new: the thread keeps it. */
  #ringOfHasher(): RingMemory | undefined {
    if (this.#beside !== undefined) return undefined;
    const ring = ringMemory();
    const hasher = start('./hash-thread.ts', ring);
    hasher.on('error', this.#fail);
    this.#beside = { hasher, ring };
    return ring;
  }

  /** Works, and keeps the process alive meanwhile. */
  ref(): void {
    clearTimeout(this.#idle);
    this.#copier.ref();
  }

  /** Has nothing to do, and ends if that stays so. */
  unref(ended: () => void): void {
    this.#copier.unref();
    this.#idle = setTimeout(() => {
      ended();
      void this.end();
    }, IDLE).unref();
  }

  /** Ends the threads whatever they do. */
  async end(): Promise<void> {
    if (this.#beside !== undefined) Atomics.store(new Int32Array(this.#beside.ring.stop), 0, 1);
    await Promise.all([this.#copier.terminate(), this.#beside?.hasher.terminate()]);
  }
}

const idle = new Set<CopyThread>();

/** Threads of this process that have nothing to do, or new ones. */
export function takeThreads(count: number): CopyThread[] {
  return Array.from({ length: count }, () => {
    const [thread = new CopyThread()] = idle;
    idle.delete(thread);
    thread.ref();
    return thread;
  });
}

/** Threads whose last task ended well, the first one taken being the first to be taken again. */
export async function giveBack(threads: readonly CopyThread[]): Promise<void> {
  for (const thread of threads) {
    if (idle.size >= MOST_IDLE) {
      await thread.end();
      continue;
    }
    idle.add(thread);
    thread.unref(() => idle.delete(thread));
  }
}

function start(program: string, workerData?: unknown): Worker {
  const thread = new Worker(new URL(program, import.meta.url), { workerData, env: {}, execArgv: [] });
  thread.unref();
  return thread;
}
