import { open } from 'node:fs/promises';
import type { Store } from '../stores/store.ts';

const CHUNK = 256 * 1024;

/** Copies the growing log of a VM into the live log of the store, from wherever an earlier attempt had come to. */
export class LogCopier {
  readonly #store: Store;
  readonly #stream: string;
  readonly #file: string;
  readonly #base: number;
  #position: number | undefined;

  /** `base` is the offset in the stream at which the file's first byte belongs. */
  constructor(store: Store, stream: string, file: string, base: number) {
    this.#store = store;
    this.#stream = stream;
    this.#file = file;
    this.#base = base;
  }

  /** Copies what is there now. `mayGoOn` is asked before each piece. Returns whether all of it was copied. */
  async copy(mayGoOn: () => boolean): Promise<boolean> {
    this.#position ??= Math.max(0, (await this.#store.logSize(this.#stream)) - this.#base);
    const file = await open(this.#file).catch(ifMissing);
    if (file === undefined) return true;
    try {
      const buffer = Buffer.alloc(CHUNK);
      while (mayGoOn()) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK, this.#position);
        if (bytesRead === 0) return true;
        const offset = this.#base + this.#position;
        await this.#store.appendLog(this.#stream, offset, buffer.subarray(0, bytesRead));
        this.#position += bytesRead;
      }
      return false;
    } finally {
      await file.close();
    }
  }
}

function ifMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

const LAST_LINES = 50;
const LAST_BYTES = 8192;

/** The end of a log for people: at most 50 lines and 8 KiB. */
export async function lastLines(path: string): Promise<string[]> {
  const file = await open(path).catch(ifMissing);
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, LAST_BYTES));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.subarray(0, bytesRead).toString('utf8').trimEnd();
    if (text === '') return [];
    const lines = text.split(/\r?\n/);
    // The first line is a fragment where the log is longer than what was read.
    if (size > LAST_BYTES) lines.shift();
    return lines.slice(-LAST_LINES);
  } finally {
    await file.close();
  }
}
