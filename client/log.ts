import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { logStream } from '../workflows/names.ts';
import { publishedResult } from './records.ts';

const POLL_MILLISECONDS = 500;

export interface LogOptions {
  /** Go on until the build has ended. Default: only what is there. */
  follow?: boolean;
  /** Byte to begin at. Default 0. */
  from?: number;
  signal?: AbortSignal;
  /** Told, while it is followed, whether Temporal answered when it was asked whether the build is over. */
  onTemporal?: (answers: boolean) => void;
}

/**
 * The log of a run: its live log while there is one, then, from the same byte on, the blob that its result names.
 * `isOver` tells whether the run has ended; it is asked only where nothing new has come.
 */
export async function* readLog(
  store: Store,
  build: { id: string; run: string },
  isOver: () => Promise<boolean>,
  { follow = false, from = 0, signal }: LogOptions,
): AsyncGenerator<Uint8Array> {
  const stream = logStream(build.run);
  let offset = from;
  let last = false;
  for (;;) {
    signal?.throwIfAborted();
    const bytes = await store.readLog(stream, offset);
    if (bytes.length > 0) {
      offset += bytes.length;
      yield bytes;
      continue;
    }
    const result = await publishedResult(store, build.id, build.run);
    if (result !== undefined) return yield* blobFrom(store, result, offset);
    if (!follow || last) return;
    last = await isOver();
    if (!last) await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
}

async function* blobFrom(store: Store, { log }: BuildResult, offset: number): AsyncGenerator<Uint8Array> {
  if (offset >= log.size) return;
  let position = 0;
  for await (const chunk of (await store.readBlob(log.sha256)) as AsyncIterable<Buffer>) {
    const skip = Math.min(chunk.length, Math.max(0, offset - position));
    position += chunk.length;
    if (skip < chunk.length) yield chunk.subarray(skip);
  }
}
