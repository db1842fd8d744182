import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import pLimit from 'p-limit';
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
 * Puts artifacts and log into the store. The log becomes a blob byte for byte as the live log is, earlier rounds
 * included, so that whoever follows it goes on in the blob where he was.
 */
export function uploadArtifacts(needs: Needs): HostActivities['uploadArtifacts'] {
  return activity('upload', async (context, lease, artifacts) =>
    inTurn(lease.id, async () => {
      const scratch = await scratchOf(needs, lease);
      await putFiles(needs.store, scratch.artifacts, artifacts, context);
      const stream = logStream(Context.current().info.workflowExecution?.runId ?? '');
      const file = join(scratch.folder, 'log');
      const log = await saveLog(needs.store, stream, file, context.signal);
      await needs.store.putFile(file, log.sha256, context.signal);
      return { log };
    }),
  );
}

async function putFiles(
  store: Store,
  folder: string,
  artifacts: readonly Artifact[],
  { signal, report }: StepContext,
): Promise<void> {
  const total = artifacts.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const limit = pLimit({ concurrency: PARALLEL, rejectOnClear: true });
  await limit.map(artifacts, async ({ path, size, sha256 }) => {
    if (sha256 === undefined) return;
    signal.throwIfAborted();
    await store.putFile(join(folder, path), sha256, signal);
    done += size;
    report({ what: path, done, total, unit: 'bytes' });
  });
}

async function saveLog(
  store: Store,
  stream: string,
  path: string,
  signal: AbortSignal,
): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  await using file = await open(path, 'w', 0o600);
  let size = 0;
  for (;;) {
    signal.throwIfAborted();
    const bytes = await store.readLog(stream, size);
    if (bytes.length === 0) return { sha256: hash.digest('hex'), size };
    hash.update(bytes);
    await file.writeFile(bytes);
    size += bytes.length;
  }
}
