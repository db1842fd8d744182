import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pLimit from 'p-limit';
import type { StepContext } from '../host/progress.ts';
import { SharedWork } from '../host/shared-work.ts';
import type { InputFile } from '../schema/lock.ts';
import { download } from './download.ts';
import { fetchFailure, isLost, type Missed } from './fetch-failure.ts';
import { type KeepingStore, obtainFrom } from './kept-inputs.ts';
import { takePartial } from './partial-file.ts';
import { createTally } from './tally.ts';
import { createTransport, type Transport } from './transport.ts';
import { VerifiedFiles } from './verified-files.ts';

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
   * Brings all files into the cache, verified: what is there already is hashed unless this process has done it and the
   * file is untouched since (docs/adr/0020). What is being brought for somebody else in this process is not brought twice.
   * @throws SlipwayFailure InputsGone, InputRejected (`items`: all of them), DownloadFailed, ScratchFull; or the
   *   signal's reason
   */
  fetch(
    files: readonly InputFile[],
    context: StepContext,
  ): Promise<{ downloadedBytes: number; inputBytes: number }>;
  /**
   * Where one file lies, as soon as it is there and verified: for whoever unpacks some files while `fetch` still brings
   * others. Waits for that `fetch` where the file is on its way, else brings it itself at once, before all that `fetch`
   * has not begun with: so call it for as many files at a time as are worked on.
   * @throws as fetch
   */
  ready(file: InputFile, signal: AbortSignal): Promise<string>;
  /** Where a file lies that was fetched. */
  path(sha256: string): string;
  /** For what has no digest yet. */
  readonly transport: Transport;
  /** Closes kept connections. */
  close(): void;
}

/** Connections for those who want one file before the others. */
const AHEAD = 4;

export function createInputCache(options: InputCacheOptions): InputCache {
  const { directory, store, keep = false, parallel = 8, attempts = 5, pauseMs = 500 } = options;
  const transport = createTransport({ ...options, parallel: parallel + AHEAD });
  const partials = join(directory, 'partial');
  const path = (sha256: string) => join(directory, 'sha256', sha256.slice(0, 2), sha256);

  const verified = new VerifiedFiles();
  const flights = new SharedWork<void, [have: number, arrived: number]>();
  /** Bytes that came for who wanted a file ahead of the others, until a `fetch` has it and counts them. */
  const ahead = new Map<string, number>();

  async function obtain(file: InputFile, signal: AbortSignal, tell: (news: [number, number]) => void) {
    const target = path(file.sha256);
    if (!(await verified.has(target, file, signal))) {
      await mkdir(dirname(target), { recursive: true });
      await mkdir(partials, { recursive: true });
      const partial = await takePartial(partials, file.sha256);
      const onBytes = (have: number, arrived: number) => tell([have, arrived]);
      try {
        await obtainFrom(store, keep, file, partial.path, signal, () =>
          download(file, partial.path, { transport, attempts, pauseMs, signal, onBytes }),
        );
        await rename(partial.path, target);
      } catch (error) {
        await partial.release();
        throw error;
      }
      await verified.add(target);
    }
    tell([file.size, 0]);
    // Also what was in the cache: it counts as put now, and retention knows that it is wanted.
    if (keep) await store.putFile(target, file.sha256, signal);
  }

  /** `onBytes`: what is there of it now, and what came for this caller. */
  function bring(file: InputFile, signal: AbortSignal, onBytes?: (have: number, arrived: number) => void) {
    const { sha256, size, urls } = file;
    return flights.run(
      JSON.stringify([sha256, size, urls]),
      signal,
      (shared, tell) => obtain(file, shared, tell),
      ([have, arrived], isFirst) => onBytes?.(have, isFirst ? arrived : 0),
    );
  }

  async function bringAll(files: readonly InputFile[], { signal, report }: StepContext) {
    const tally = createTally(files, report);
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const limit = pLimit(parallel);
    const failures: Missed[] = [];
    const one = async (file: InputFile) => {
      if (either.aborted) return;
      try {
        await bring(file, either, (have, arrived) => tally.add(file, have, arrived));
        tally.add(file, file.size, ahead.get(file.sha256) ?? 0);
        ahead.delete(file.sha256);
      } catch (error) {
        if (either.aborted) return;
        failures.push({ file, error: error as Error });
        // What is gone or changed is looked for to the end, to name it all at once. An outage is not.
        if (!isLost(error)) stop.abort();
      }
    };
    await Promise.all(files.map((file) => limit(() => one(file))));
    signal.throwIfAborted();
    if (failures.length > 0) throw fetchFailure(failures, directory, store.location);
    await verified.settled();
    return tally.end();
  }

  return {
    path,
    transport,
    close: () => transport.close(),
    fetch: (files, context) =>
      bringAll([...new Map(files.map((file) => [file.sha256, file])).values()], context),
    async ready(file, signal) {
      try {
        await bring(file, signal, (_have, arrived) => {
          if (arrived > 0) ahead.set(file.sha256, (ahead.get(file.sha256) ?? 0) + arrived);
        });
      } catch (error) {
        signal.throwIfAborted();
        throw fetchFailure([{ file, error: error as Error }], directory, store.location);
      }
      await verified.settled();
      return path(file.sha256);
    },
  };
}
