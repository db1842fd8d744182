import { CHUNK } from './chunks.ts';

/** Buffers between who reads and who hashes; as many can be under way. */
const SLOTS = 8;
const DIGEST_BYTES = 32;
/** Milliseconds after which a sleeper looks whether it is to stop. */
const LOOK = 200;

/** What a slot's length says where it holds no bytes to hash: the file ends here. Holes are negative lengths. */
export const END = 0;

/** The ring's memory as threads hand it to each other. */
export interface RingMemory {
  buffers: SharedArrayBuffer;
  control: SharedArrayBuffer;
  /** A word: not 0 ends who waits for the other. */
  stop: SharedArrayBuffer;
}

export function ringMemory(): RingMemory {
  const control = new SharedArrayBuffer((2 * SLOTS + 1) * 4 + DIGEST_BYTES);
  return { buffers: new SharedArrayBuffer(SLOTS * CHUNK), control, stop: new SharedArrayBuffer(4) };
}

/** Thrown in a thread that is told to stop. */
export class Stopped extends Error {}

/**
 * A few buffers that one thread fills and another one hashes, in turn. Nobody is told by messages: a thread sleeps until
 * the other one has changed the word that it waits for.
 */
export class HashRing {
  /** A word for each slot (1: full), one for the digest (1: there), then the lengths of the slots. */
  readonly #words: Int32Array;
  readonly #digest: Buffer;
  readonly #stop: Int32Array;
  readonly #slots: Buffer[];
  #next = 0;

  constructor({ buffers, control, stop }: RingMemory) {
    this.#words = new Int32Array(control, 0, 2 * SLOTS + 1);
    this.#digest = Buffer.from(control, (2 * SLOTS + 1) * 4, DIGEST_BYTES);
    this.#stop = new Int32Array(stop);
    this.#slots = Array.from({ length: SLOTS }, (_, i) => Buffer.from(buffers, i * CHUNK, CHUNK));
  }

  /** For who reads: the buffer to fill next. Sleeps until it is hashed. */
  buffer(): Buffer {
    this.#await(this.#next, 0);
    return this.#slots[this.#next] as Buffer;
  }

  /** For who reads: the buffer is full; or a hole (negative), or `END`. Its bytes may still be read, not changed. */
  push(length: number): void {
    this.#await(this.#next, 0);
    this.#words[SLOTS + 1 + this.#next] = length;
    this.#set(this.#next, 1);
    this.#next = (this.#next + 1) % SLOTS;
  }

  /** For who reads, after `END`: the file's SHA-256. */
  digest(): string {
    this.#await(SLOTS, 1);
    const digest = this.#digest.toString('hex');
    this.#set(SLOTS, 0);
    return digest;
  }

  /** For who hashes: the next full buffer. Call `free` before the next. */
  take(): { length: number; bytes: Buffer } {
    this.#await(this.#next, 1);
    const length = this.#words[SLOTS + 1 + this.#next] as number;
    return { length, bytes: this.#slots[this.#next] as Buffer };
  }

  free(): void {
    this.#set(this.#next, 0);
    this.#next = (this.#next + 1) % SLOTS;
  }

  answer(digest: Buffer): void {
    digest.copy(this.#digest);
    this.#set(SLOTS, 1);
  }

  #set(word: number, value: 0 | 1): void {
    Atomics.store(this.#words, word, value);
    Atomics.notify(this.#words, word);
  }

  #await(word: number, value: 0 | 1): void {
    while (Atomics.load(this.#words, word) !== value) {
      if (Atomics.load(this.#stop, 0) !== 0) throw new Stopped();
      Atomics.wait(this.#words, word, 1 - value, LOOK);
    }
  }
}
