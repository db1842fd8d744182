import type { CopyTask } from './copy-task.ts';

/** From this size on, bytes, a file goes to a thread alone, the largest first. */
const LARGE = 8 * 1024 * 1024;
/** From this size on it is worth a second thread. */
const WORTH_BESIDE = 32 * 1024 * 1024;
/** What is sent at a time of what is smaller. */
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_FILES = 128;

export interface Batch {
  /** Index of each task in what was given. */
  numbers: number[];
  tasks: CopyTask[];
}

/** What the threads still have to write, in the order that keeps them all busy up to the end. */
export class CopyQueue {
  readonly #large: [number, CopyTask][];
  readonly #small: [number, CopyTask][];
  readonly #threads: number;
  #next = 0;
  #busy = 0;

  constructor(tasks: readonly CopyTask[], threads: number) {
    const numbered = tasks.map((task, number): [number, CopyTask] => [number, task]);
    this.#large = numbered.filter(([, { size }]) => size >= LARGE).sort(([, a], [, b]) => a.size - b.size);
    this.#small = numbered.filter(([, { size }]) => size < LARGE);
    this.#threads = threads;
  }

  /** @param canHashBeside whether who asks has a thread beside it; empty where nothing is left */
  take(canHashBeside: boolean): Batch {
    const large = this.#large.pop();
    const batch = large === undefined ? this.#someSmall() : this.#one(large, canHashBeside);
    if (batch.tasks.length > 0) this.#busy += 1;
    return batch;
  }

  /** A batch is done. */
  done(): void {
    this.#busy -= 1;
  }

  /** Hashed beside where a processor would have nothing else to do: so few files are left that are as large. */
  #one([number, task]: [number, CopyTask], canHashBeside: boolean): Batch {
    const asLarge = this.#large.filter(([, { size }]) => size >= task.size / 2).length;
    const mayBe = canHashBeside && task.size >= WORTH_BESIDE;
    const hashedBeside = mayBe && asLarge + this.#busy + 1 < this.#threads;
    return { numbers: [number], tasks: [{ ...task, hashedBeside }] };
  }

  #someSmall(): Batch {
    const batch: Batch = { numbers: [], tasks: [] };
    for (let bytes = 0; bytes < BATCH_BYTES && batch.tasks.length < BATCH_FILES; ) {
      const found = this.#small[this.#next];
      if (found === undefined) break;
      const [number, task] = found;
      this.#next += 1;
      bytes += task.size + task.extents.length;
      batch.numbers.push(number);
      batch.tasks.push(task);
    }
    return batch;
  }
}
