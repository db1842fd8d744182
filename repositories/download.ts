import { open, rm, truncate } from 'node:fs/promises';
import pRetry, { AbortError } from 'p-retry';
import type { InputFile } from '../schema/lock.ts';
import { GrowingDigest, sizeOf } from './partial-file.ts';
import { type Body, Gone, type Transport, Unreachable } from './transport.ts';

/** A server sent all of a file, and it is not the one that was promised. */
export class Changed extends Error {
  override readonly name = 'Changed';
}

export interface DownloadOptions {
  transport: Transport;
  /** Attempts in a row that brought no byte. */
  attempts: number;
  /** Milliseconds before the second attempt; doubles, at most 10 s. */
  pauseMs: number;
  signal: AbortSignal;
  /** Called with the size of what is there, growing or falling, and the bytes that just arrived. */
  onBytes: (have: number, arrived: number) => void;
}

/**
 * Completes a partial download at `path` from the file's URLs, in their order, each attempt going on where the last one
 * ended. When it returns, the file is whole and has the promised size and SHA-256.
 *
 * @throws Gone (no URL has it), Changed (each has another file, also when fetched anew), Unreachable, ENOSPC, or the
 * signal's reason
 */
export async function download(file: InputFile, path: string, options: DownloadOptions): Promise<void> {
  const { signal } = options;
  const digest = new GrowingDigest();
  let changes = 0;
  let most = await sizeOf(path);
  await pRetry(() => attempt(file, path, { ...options, digest }), {
    retries: options.attempts - 1,
    minTimeout: options.pauseMs,
    maxTimeout: 10_000,
    randomize: true,
    signal,
    // A server that cuts again and again, but sends something each time, is slow, not broken.
    shouldConsumeRetry: async () => {
      const have = await sizeOf(path);
      const grew = have > most;
      most = Math.max(most, have);
      return !grew;
    },
    shouldRetry: ({ error }) => {
      if (error instanceof Changed) changes += 1;
      return error instanceof Unreachable || (error instanceof Changed && changes < 2);
    },
  });
}

/** The digest of the file grows with it, over all attempts. */
interface Attempt extends DownloadOptions {
  digest: GrowingDigest;
}

/** One go over all URLs. What counts in the end is the most hopeful failure: unreachable before changed before gone. */
async function attempt(file: InputFile, path: string, options: Attempt): Promise<void> {
  const failures: Error[] = [];
  for (const url of file.urls) {
    try {
      await fetchFrom(url, file, path, options);
      await verify(url, file, path, options);
      return;
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof Gone || error instanceof Unreachable || error instanceof Changed)) {
        throw new AbortError(error as Error);
      }
      if (error instanceof Changed) {
        await rm(path, { force: true });
        options.onBytes(0, 0);
      }
      failures.push(error);
    }
  }
  throw (
    failures.find((error) => error instanceof Unreachable) ??
    failures.find((error) => error instanceof Changed) ??
    failures[0]
  );
}

async function fetchFrom(url: string, file: InputFile, path: string, options: Attempt): Promise<void> {
  const have = await sizeOf(path);
  if (have === file.size && have > 0) return;
  const body = await options.transport.open(url, have < file.size ? have : 0, options.signal);
  if (body.size !== undefined && body.size !== file.size) {
    body.close();
    throw new Changed(`${url} has ${body.size} bytes instead of ${file.size}`);
  }
  if (have > body.from) await truncate(path, body.from);
  // What another attempt or process left is read once; from there on the digest grows with the file.
  if (body.from > 0) await options.digest.of(path, options.signal);
  try {
    await append(body, url, file, path, options);
  } catch (error) {
    throw interruption(url, error as NodeJS.ErrnoException);
  }
}

/** Each chunk is in the file before the next is taken, so that a cut loses none (a pipeline drops what it holds). */
async function append(
  body: Body,
  url: string,
  file: InputFile,
  path: string,
  options: Attempt,
): Promise<void> {
  const handle = await open(path, 'a');
  try {
    let count = body.from;
    for await (const chunk of body.chunks) {
      options.signal.throwIfAborted();
      count += chunk.length;
      if (count > file.size) throw new Changed(`${url} has more than ${file.size} bytes`);
      await handle.appendFile(chunk);
      options.digest.add(count - chunk.length, chunk);
      options.onBytes(count, chunk.length);
    }
  } finally {
    body.close();
    await handle.close();
  }
}

/** The disk's own troubles stay what they are; all else is the connection's. */
function interruption(url: string, error: NodeJS.ErrnoException): Error {
  if (error instanceof Changed || error instanceof Unreachable) return error;
  if (error.syscall === 'write' || error.syscall === 'open') return error;
  return new Unreachable(`${url}: ${error.message}`, { cause: error });
}

async function verify(url: string, file: InputFile, path: string, options: Attempt): Promise<void> {
  const size = await sizeOf(path);
  if (size < file.size) throw new Unreachable(`${url}: cut after ${size} of ${file.size} bytes`);
  const found = await options.digest.of(path, options.signal);
  if (found !== file.sha256) throw new Changed(`${url} has SHA-256 ${found} instead of ${file.sha256}`);
}
