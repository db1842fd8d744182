import type { FileHandle } from 'node:fs/promises';

/** Bytes of a piece of a disk that is kept, verified and copied as one; the last one of a disk may be shorter. */
export const CHUNK = 1024 ** 2;

/** Chunks that are read, hashed and written at the same time: what hides the one behind the other. */
const IN_FLIGHT = 4;

export interface ChunksOf {
  disk: FileHandle;
  /** Of the whole disk. */
  bytes: number;
  /** Numbers of the chunks that are wanted. */
  chunks: readonly number[];
  signal: AbortSignal;
}

/** A disk could not be read where it should have data. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

/**
 * Reads chunks of a disk, a few at a time, in memory that does not grow with the disk. `data` is the reader's again when
 * `work` is done. When this ends, also by an error, nothing is at work any more.
 * @throws Unreadable; the first error of `work`; the signal's reason
 */
export async function eachChunk(
  { disk, bytes, chunks, signal }: ChunksOf,
  work: (chunk: number, data: Buffer) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  let next = 0;
  const worker = async () => {
    const buffer = Buffer.allocUnsafeSlow(CHUNK);
    while (failures.length === 0) {
      const chunk = chunks[next++];
      if (chunk === undefined) return;
      signal.throwIfAborted();
      const at = chunk * CHUNK;
      const data = buffer.subarray(0, Math.min(CHUNK, bytes - at));
      await readAll(disk, data, at);
      await work(chunk, data);
    }
  };
  const workers = Array.from({ length: Math.min(IN_FLIGHT, chunks.length) }, () =>
    worker().catch((error: unknown) => void failures.push(error)),
  );
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
}

async function readAll(disk: FileHandle, data: Buffer, at: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesRead } = await disk.read(data, done, data.length - done, at + done).catch((cause: Error) => {
      throw new Unreadable(`cannot be read at byte ${at + done}: ${cause.message}`, { cause });
    });
    if (bytesRead === 0) throw new Unreadable(`ends at byte ${at + done}`);
    done += bytesRead;
  }
}

/** Writes all of it: a disk that is nearly full takes a part and says so only at the next call. */
export async function writeAll(disk: FileHandle, data: Buffer, at: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    done += (await disk.write(data, done, data.length - done, at + done)).bytesWritten;
  }
}
