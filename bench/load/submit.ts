import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import { buildId } from '../../schema/build-id.ts';
import { BuildRequest } from '../../schema/request.ts';
import { requestFor } from '../../test/support/build-host.ts';
import { BUILD_WORKFLOW, COMMON_QUEUE } from '../../workflows/names.ts';
import { BUILD_MEMORY_MIB } from './options.ts';

/** What a client has under way at once. */
export const AT_ONCE = 32;

/** Submits so many builds, each of a package of its own; returns their ids. */
export async function submitBuilds(client: Client, count: number): Promise<string[]> {
  const limit = pLimit(AT_ONCE);
  const names = Array.from({ length: count }, (_, index) => `load-${String(index).padStart(5, '0')}`);
  return limit.map(names, async (name) => {
    const resources = { cpus: 1, memoryMiB: BUILD_MEMORY_MIB, diskMiB: 32, swapMiB: 16 };
    const request = requestFor(name, { resources });
    const workflowId = buildId(BuildRequest.parse(request));
    await client.workflow.start(BUILD_WORKFLOW, { taskQueue: COMMON_QUEUE, workflowId, args: [request] });
    return workflowId;
  });
}

/**
 * Waits until all workflows of a type have closed. Asks for their number only: a long poll for each would be load too.
 * Returns how many have not when none closed for `patienceSeconds`.
 */
export async function waitForAll(
  client: Client,
  type: string,
  count: number,
  options: { patienceSeconds: number; signal: AbortSignal; closed: (count: number) => Promise<void> },
): Promise<number> {
  const query = `WorkflowType = '${type}' AND ExecutionStatus != 'Running'`;
  let last = { count: 0, at: performance.now() };
  for (;;) {
    const closed = (await client.workflow.count(query)).count;
    await options.closed(closed);
    if (closed >= count) return 0;
    if (closed > last.count) last = { count: closed, at: performance.now() };
    if (performance.now() - last.at > options.patienceSeconds * 1000) return count - closed;
    await sleep(2000, undefined, { signal: options.signal });
  }
}
