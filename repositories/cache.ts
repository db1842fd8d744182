import { mkdir, rename, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pLimit from 'p-limit';
import { ignoreMissing } from '../host/atomic-file.ts';
import type { StepContext } from '../host/progress.ts';
import { asScratchFull } from '../host/scratch-full.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { InputFile } from '../schema/lock.ts';
import { Changed, download } from './download.ts';
import { type KeepingStore, obtainFrom } from './kept-inputs.ts';
import { digestOf, sizeOf, takePartial } from './partial-file.ts';
import { createTally } from './tally.ts';
import { createTransport, Gone, type Transport, Unreachable } from './transport.ts';

export interface InputCacheOptions {
  /** Absolute folder; made where it is missing. Several processes may share it. */
  directory: string;
  /** Where files without URLs lie, and those that were kept. */
  store: KeepingStore;
  /** Whether fetched files are put into the store too, and looked for there first. Default false. */
  keep?: boolean;
  /** Downloads at a time. Default 8. */
  parallel?: number;
  /** Attempts in a row without a new byte, for each file. Default 5. */
  attempts?: number;
  /** Milliseconds before the second attempt; doubles. Default 500. */
  pauseMs?: number;
  /** Milliseconds without a byte, then a connection is given up. Default 30 s. */
  stallMs?: number;
  /** `http_proxy` and the like. */
  proxies?: Readonly<Record<string, string>>;
}

/** Input files by digest. */
export interface InputCache {
  /**
   * Brings all files into the cache, verified: what is there already is read and hashed again.
   * @throws SlipwayFailure InputsGone, InputRejected (`items`: all of them), DownloadFailed, ScratchFull; or the
   *   signal's reason
   */
  fetch(
    files: readonly InputFile[],
    context: StepContext,
  ): Promise<{ downloadedBytes: number; inputBytes: number }>;
  /** Where a file lies that was fetched. */
  path(sha256: string): string;
  /** For what has no digest yet. */
  readonly transport: Transport;
  /** Closes kept connections. */
  close(): void;
}

export function createInputCache(options: InputCacheOptions): InputCache {
  const { directory, store, keep = false, parallel = 8, attempts = 5, pauseMs = 500 } = options;
  const transport = createTransport({ ...options, parallel });
  const partials = join(directory, 'partial');
  const path = (sha256: string) => join(directory, 'sha256', sha256.slice(0, 2), sha256);

  async function obtain(
    file: InputFile,
    signal: AbortSignal,
    onBytes: (have: number, arrived: number) => void,
  ) {
    const target = path(file.sha256);
    if ((await sizeOf(target)) === file.size && (await digestOf(target, signal)) === file.sha256) {
      await touch(target);
      onBytes(file.size, 0);
      return;
    }
    await mkdir(dirname(target), { recursive: true });
    await mkdir(partials, { recursive: true });
    const partial = await takePartial(partials, file.sha256);
    try {
      await obtainFrom(store, keep, file, partial.path, signal, () =>
        download(file, partial.path, { transport, attempts, pauseMs, signal, onBytes }),
      );
      await rename(partial.path, target);
      onBytes(file.size, 0);
    } catch (error) {
      await partial.release();
      throw error;
    }
  }

  return {
    path,
    transport,
    close: () => transport.close(),
    async fetch(files, context) {
      const unique = [...new Map(files.map((file) => [file.sha256, file])).values()];
      const tally = createTally(unique, context.report);
      const stop = new AbortController();
      const signal = AbortSignal.any([context.signal, stop.signal]);
      const limit = pLimit(parallel);
      const failures: { file: InputFile; error: Error }[] = [];
      await Promise.all(
        unique.map((file) =>
          limit(async () => {
            if (signal.aborted) return;
            try {
              await obtain(file, signal, (have, arrived) => tally.add(file, have, arrived));
              // Also what was in the cache: it counts as put now, and retention knows that it is wanted.
              if (keep) await store.putFile(path(file.sha256), file.sha256, signal);
            } catch (error) {
              if (signal.aborted) return;
              failures.push({ file, error: error as Error });
              // What is gone or changed is looked for to the end, to name it all at once. An outage is not.
              if (!(error instanceof Gone || error instanceof Changed)) stop.abort();
            }
          }),
        ),
      );
      context.signal.throwIfAborted();
      if (failures.length > 0) throw judge(failures, directory, store.location);
      return tally.end();
    },
  };
}

/** By it retention tells what is still in use (retention/host-entries.ts). Gone again: who reads it says so. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(ignoreMissing);
}

function judge(failures: { file: InputFile; error: Error }[], directory: string, store: string): unknown {
  const other = failures.find(({ error }) => !(error instanceof Gone || error instanceof Changed));
  if (other !== undefined) {
    if (!(other.error instanceof Unreachable)) return asScratchFull(other.error, directory);
    return new SlipwayFailure(
      'DownloadFailed',
      `${other.file.name} could not be fetched: ${other.error.message}`,
      {
        cause: other.error,
      },
    );
  }
  const changed = failures.filter(({ error }) => error instanceof Changed);
  const chosen = changed.length > 0 ? changed : failures;
  const items = chosen.map(({ file }) => file.name).sort();
  const reasons = chosen.map(({ error }) => `  ${error.message}`).sort();
  return changed.length > 0
    ? new SlipwayFailure(
        'InputRejected',
        `changed on the mirror since the lock was made:\n${reasons.join('\n')}`,
        {
          items,
        },
      )
    : new SlipwayFailure('InputsGone', `no longer there, nor in the store ${store}:\n${reasons.join('\n')}`, {
        items,
      });
}
