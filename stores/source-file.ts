import { type FileHandle, open } from 'node:fs/promises';
import { SlipwayFailure } from '../schema/failures.ts';

/** A file of the caller's that is put into a store. */
export interface SourceFile extends AsyncDisposable {
  /** For messages. */
  readonly path: string;
  /** Bytes, as the filesystem says; 0 for a pipe. */
  readonly size: number;
  /** Fills as much of the buffer as there is, from where the last read ended; the bytes read, 0 at the end. */
  read(buffer: Buffer): Promise<number>;
}

/** @throws SlipwayFailure InputRejected, also from `read`: what cannot be read is the caller's file, not the store */
export async function openSource(path: string): Promise<SourceFile> {
  try {
    const handle = await open(path);
    const { size } = await handle.stat();
    return {
      path,
      size,
      read: (buffer) => fill(handle, buffer, path),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** What a file that changed under its reader, or was another one from the start, is refused with. */
export function wrongDigest(path: string, found: string, expected: string): SlipwayFailure {
  return new SlipwayFailure('InputRejected', `${path} has SHA-256 ${found}, expected was ${expected}`);
}

async function fill(handle: FileHandle, buffer: Buffer, path: string): Promise<number> {
  let length = 0;
  try {
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  return length;
}

function unreadable(path: string, cause: unknown): SlipwayFailure {
  return new SlipwayFailure('InputRejected', `${path} cannot be read: ${(cause as Error).message}`, {
    cause,
  });
}
