import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { buildId } from '../../schema/build-id.ts';
import { BuildRequest, type BuildRequestInput } from '../../schema/request.ts';
import type { build } from '../../workflows/build.ts';
import { BUILD_WORKFLOW, COMMON_QUEUE } from '../../workflows/names.ts';
import type { BuildStatus } from '../../workflows/status.ts';
import type { Defer } from './build-host.ts';

export type BuildHandle = WorkflowHandle<typeof build>;

/** Starts a build as any client does; terminates it where it still runs at the end. */
export async function startBuild(
  client: Client,
  request: BuildRequestInput,
  defer: Defer,
): Promise<BuildHandle> {
  const handle = await client.workflow.start<typeof build>(BUILD_WORKFLOW, {
    taskQueue: COMMON_QUEUE,
    workflowId: buildId(BuildRequest.parse(request)),
    args: [request],
  });
  defer(async () => {
    if ((await handle.describe()).status.name === 'RUNNING') await handle.terminate('the test has ended');
  });
  return handle;
}

/** Waits until the status of a build is as wanted, and returns it. */
export async function statusWhere(
  handle: BuildHandle,
  wanted: (status: BuildStatus) => boolean,
  seconds = 60,
): Promise<BuildStatus> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const status = await handle.query<BuildStatus>('status');
    if (wanted(status)) return status;
    if (performance.now() > until) throw new Error(`the status stays ${JSON.stringify(status)}`);
    await sleep(200);
  }
}
