import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { CHUNK, type Chunk, chunks, ZEROS } from './chunks.ts';
import type { Extent } from './list-lines.ts';
import type { RawDevice } from './raw-device.ts';

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
    let turn = 0;
    try {
      for (const chunk of chunks(extents, size)) {
        this.#signal.throwIfAborted();
        turn = 1 - turn;
        const bytes = await this.#read(chunk, this.#buffers[turn as 0 | 1]);
        await writing;
        // Written while it is hashed and while the next one is read.
        if (bytes !== undefined) writing = writeAll(file, bytes, chunk.at);
        writing.catch(() => {});
        hash.update(bytes ?? ZEROS.subarray(0, chunk.length));
        this.#copied(chunk.length);
      }
      await writing;
    } finally {
      await writing.catch(() => {});
    }
    await file.truncate(size);
    return hash.digest('hex');
  }

  /** Undefined for a hole, after the event loop had its turn: it can be long. */
  async #read({ reads, length }: Chunk, buffer: Buffer): Promise<Buffer | undefined> {
    if (reads.length === 0) return setImmediate();
    for (const read of reads) {
      const into = buffer.subarray(read.offset, read.offset + read.length);
      await this.#devices[read.device].read(into, read.position);
    }
    return buffer.subarray(0, length);
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
