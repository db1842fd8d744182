import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';

/** A worker asks anew at least once a minute; the server names pollers for five. */
const POLLS_WITHIN_MILLISECONDS = 90_000;
const ACTIVITY_QUEUE: temporal.api.enums.v1.TaskQueueType = 2;

/** Who polls a queue of activities now, and about how many wait in it. */
export interface Pollers {
  identities: string[];
  /** Undefined where the server does not say. */
  waiting: number | undefined;
}

export async function pollersOf(
  client: Client,
  name: string,
  withinMilliseconds = POLLS_WITHIN_MILLISECONDS,
): Promise<Pollers> {
  const { pollers, stats } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name },
    taskQueueType: ACTIVITY_QUEUE,
    reportStats: true,
  });
  const since = Date.now() - withinMilliseconds;
  const current = pollers.filter(
    ({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 >= since,
  );
  const waiting = stats?.approximateBacklogCount;
  return {
    identities: current.map(({ identity }) => identity ?? ''),
    waiting: waiting == null ? undefined : Number(waiting),
  };
}
