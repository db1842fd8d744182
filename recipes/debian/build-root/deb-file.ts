import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { type DebPart, debParts } from './deb-parts.ts';
import { Decompressor } from './decompressor.ts';

/** Takes a piece of what was read; a promise is waited for before the next one. */
export type Take = (piece: Buffer) => Promise<void> | undefined;

/**
 * Reads both archives of a Debian package in one pass, decompressed: first that of its control files, then that of its
 * files. Where both are compressed the same way, as they mostly are, one program decompresses both.
 * @throws SyntaxError where it is no package; CommandFailed of that program; the signal's reason; what `take` throws.
 *   Nothing runs any more then.
 */
export async function readDeb(path: string, take: Take, signal: AbortSignal): Promise<void> {
  const [control, data] = await debParts(path);
  const groups = control.compression === data.compression ? [[control, data]] : [[control], [data]];
  for (const parts of groups) await readParts(path, parts, take, signal);
}

/** Reads some of the archives, which are compressed the same way. @throws as readDeb */
export async function readParts(
  path: string,
  parts: readonly DebPart[],
  take: Take,
  signal: AbortSignal,
): Promise<void> {
  const compression = parts[0]?.compression ?? '';
  const stored = chain(path, parts);
  if (compression !== '') {
    await using decompressor = new Decompressor(compression, stored);
    await drain(decompressor.output, take, signal);
    await decompressor.end();
    return;
  }
  for await (const piece of stored) {
    signal.throwIfAborted();
    await take(piece);
  }
}

async function* chain(path: string, parts: readonly DebPart[]): AsyncGenerator<Buffer> {
  for (const { at, size } of parts) {
    // Its end is the last byte that is read: there is no way to say none.
    if (size > 0) yield* createReadStream(path, { start: at, end: at + size - 1, highWaterMark: 1 << 18 });
  }
}

/** By events: an asynchronous iterator would cost more than all that is done with the pieces. */
function drain(source: Readable, take: Take, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      signal.removeEventListener('abort', abort);
      settle();
    };
    const fail = (error: unknown) => {
      source.destroy();
      finish(() => reject(error));
    };
    const abort = () => fail(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    let busy: Promise<void> | undefined;
    const wait = (next: Promise<void> | undefined) => {
      if (next === undefined) return;
      source.pause();
      const last = next.then(() => {
        if (busy !== last) return;
        busy = undefined;
        source.resume();
      }, fail);
      busy = last;
    };
    source.on('data', (piece: Buffer) => {
      try {
        // Node resumes what a program wrote when it ends, however busy we are.
        wait(busy === undefined ? take(piece) : busy.then(() => take(piece)));
      } catch (error) {
        fail(error);
      }
    });
    source.on('error', fail);
    source.on('end', () => {
      if (busy === undefined) finish(resolve);
      else busy.then(() => finish(resolve));
    });
  });
}
