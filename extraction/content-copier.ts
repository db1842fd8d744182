import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { UNIT } from './entry-reader.ts';
import type { Extent } from './list-lines.ts';
import type { RawDevice } from './raw-device.ts';

const CHUNK = 1024 * 1024;
const ZEROS = Buffer.alloc(CHUNK);

/** A piece of a file's content: bytes on a device, or a hole. */
interface Piece {
  at: number;
  length: number;
  source?: { device: Extent['device']; position: number };
}

/** The pieces of a file of `size` bytes, without gap; extents are cut at the size, what none covers is a hole. */
export function* pieces(extents: Iterable<Extent>, size: number): Generator<Piece> {
  let done = 0;
  for (const { device, start, count, at: unit } of extents) {
    const at = unit * UNIT;
    if (at >= size) break;
    if (at > done) yield { at: done, length: at - done };
    const length = Math.min(count * UNIT, size - at);
    yield { at, length, source: { device, position: start * UNIT } };
    done = at + length;
  }
  if (done < size) yield { at: done, length: size - done };
}

/** Copies content from devices into files with the same two buffers for all: memory does not grow with size. */
export class ContentCopier {
  readonly #devices: Readonly<Record<Extent['device'], RawDevice>>;
  readonly #signal: AbortSignal;
  readonly #copied: (bytes: number) => void;
  readonly #buffers: [Buffer, Buffer] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];

  /** @param copied is told of bytes as they are done, holes included */
  constructor(
    devices: Readonly<Record<Extent['device'], RawDevice>>,
    signal: AbortSignal,
    copied: (bytes: number) => void,
  ) {
    this.#devices = devices;
    this.#signal = signal;
    this.#copied = copied;
  }

  /** Fills an empty file, leaving holes as holes. Returns the SHA-256 of all its content. */
  async copy(extents: Iterable<Extent>, size: number, file: FileHandle): Promise<string> {
    const hash = createHash('sha256');
    let writing: Promise<void> = Promise.resolve();
    try {
      for (const { chunk, at, bytes } of this.#chunks(extents, size)) {
        this.#signal.throwIfAborted();
        const ready = await bytes();
        await writing;
        // Written while it is hashed and while the next one is read.
        if (ready !== ZEROS) writing = writeAll(file, ready.subarray(0, chunk), at);
        writing.catch(() => {});
        hash.update(ready.subarray(0, chunk));
        this.#copied(chunk);
      }
      await writing;
    } finally {
      await writing.catch(() => {});
    }
    await file.truncate(size);
    return hash.digest('hex');
  }

  *#chunks(extents: Iterable<Extent>, size: number) {
    let turn = 0;
    for (const { at, length, source } of pieces(extents, size)) {
      for (let done = 0; done < length; done += CHUNK) {
        const chunk = Math.min(CHUNK, length - done);
        turn = 1 - turn;
        const buffer = this.#buffers[turn as 0 | 1];
        const bytes = source === undefined ? hole : () => this.#read(source, done, buffer.subarray(0, chunk));
        yield { chunk, at: at + done, bytes };
      }
    }
  }

  async #read(source: NonNullable<Piece['source']>, done: number, into: Buffer): Promise<Buffer> {
    await this.#devices[source.device].read(into, source.position + done);
    return into;
  }
}

/** Zeros, after the event loop had its turn: a hole can be long. */
async function hole(): Promise<Buffer> {
  await setImmediate();
  return ZEROS;
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
