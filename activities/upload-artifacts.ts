import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import pLimit from 'p-limit';
import type { WrittenFiles } from '../extraction/written-files.ts';
import type { StepContext } from '../host/progress.ts';
import type { Artifact } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { logStream } from '../workflows/names.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { scratchOf } from './on-host.ts';

const PARALLEL = 4;

type Needs = Pick<Dependencies, 'leases' | 'directories' | 'store'>;

/**
 * Puts artifacts and log into the store, and gives them to it: on its filesystem they become the blobs themselves, so
 * that they are only deleted after this. `written` knows digests of what need not be read again. The log becomes a blob
 * byte for byte as the live log is, earlier rounds included, so that whoever follows it goes on in the blob where he
 * was.
 */
export function uploadArtifacts(needs: Needs, written: WrittenFiles): HostActivities['uploadArtifacts'] {
  return activity('upload', async (context, lease, artifacts) =>
    inTurn(lease.id, async () => {
      const scratch = await scratchOf(needs, lease);
      await putFiles({ store: needs.store, written }, scratch.artifacts, artifacts, context);
      const stream = logStream(Context.current().info.workflowExecution?.runId ?? '');
      const file = join(scratch.folder, 'log');
      const log = await saveLog({ store: needs.store, written }, stream, file, context.signal);
      await needs.store.putFile(file, log.sha256, context.signal, written);
      return { log };
    }),
  );
}

interface Into {
  store: Store;
  written: WrittenFiles;
}

/** Puts artifacts, some at a time. None is under way any more when this returns or throws. */
export async function putFiles(
  { store, written }: Into,
  folder: string,
  artifacts: readonly Artifact[],
  { signal, report }: StepContext,
): Promise<void> {
  const total = artifacts.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const limit = pLimit(PARALLEL);
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const put = async ({ path, size, sha256 }: Artifact) => {
    if (sha256 === undefined) return;
    either.throwIfAborted();
    await store.putFile(join(folder, path), sha256, either, written);
    done += size;
    report({ what: path, done, total, unit: 'bytes' });
  };
  const puts = artifacts.map((artifact) => limit(put, artifact));
  try {
    await Promise.all(puts);
  } catch (error) {
    // None goes on with files that are about to be deleted.
    failing.abort(error);
    await Promise.allSettled(puts);
    throw error;
  }
}

async function saveLog(
  { store, written }: Into,
  stream: string,
  path: string,
  signal: AbortSignal,
): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  // Never into the file of an earlier attempt, which may be a blob by now.
  await rm(path, { force: true });
  await using file = await open(path, 'wx', 0o600);
  let size = 0;
  for (;;) {
    signal.throwIfAborted();
    const bytes = await store.readLog(stream, size);
    if (bytes.length === 0) break;
    hash.update(bytes);
    await file.writeFile(bytes);
    size += bytes.length;
  }
  const sha256 = hash.digest('hex');
  written.remember(await file.stat({ bigint: true }), sha256);
  return { sha256, size };
}
