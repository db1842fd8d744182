import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { FAILURES, type FailureType } from '../schema/failures.ts';
import { demandQueue, queueName, SIZE_CLASSES, type SizeClass } from '../workflows/names.ts';
import { activity } from './activity.ts';
import type { AnywhereActivities, Demand, Waiting } from './contract.ts';

/** A worker asks anew at least once a minute; the server names pollers for five. */
const POLLS_WITHIN_MILLISECONDS = 90_000;
const ACTIVITY_QUEUE: temporal.api.enums.v1.TaskQueueType = 2;

export function explainWait(): AnywhereActivities['explainWait'] {
  return activity(undefined, async (_context, demand) => {
    const { client, info } = Context.current();
    const queue = demandQueue(demand);
    if ((await countPollers(client, queue)) === 0) {
      return { type: 'NoHostAvailable', message: await nobody(client, demand, queue) };
    }
    return (
      (info.workflowExecution && (await lastAnswer(client, info.workflowExecution, queue))) ?? {
        type: 'HostFull',
        message: `no host that polls ${queue} has answered yet`,
      }
    );
  });
}

/** A host polls the size classes up to that of its own memory: it may be the memory alone that nobody offers. */
async function nobody(client: Client, demand: Demand, queue: string): Promise<string> {
  const { architecture, isolation, type, memoryMiB } = demand;
  for (const [size, atMost] of Object.entries(SIZE_CLASSES).reverse()) {
    if (atMost >= memoryMiB) continue;
    const smaller = queueName(architecture, type ?? isolation, size as SizeClass);
    if ((await countPollers(client, smaller)) === 0) continue;
    return `${memoryMiB} MiB of memory are more than any host has for guests: the largest has at most ${atMost} MiB (nobody polls ${queue})`;
  }
  return `no worker offers what is demanded: nobody polls ${queue}; start one that offers it, or demand less`;
}

async function countPollers(client: Client, name: string): Promise<number> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name },
    taskQueueType: ACTIVITY_QUEUE,
  });
  const since = Date.now() - POLLS_WITHIN_MILLISECONDS;
  return pollers.filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 >= since).length;
}

/** What a host said when it last refused the claim of this run. */
async function lastAnswer(
  client: Client,
  run: { workflowId: string; runId: string },
  queue: string,
): Promise<Waiting | undefined> {
  const { raw } = await client.workflow.getHandle(run.workflowId, run.runId).describe();
  const claim = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'claimHost');
  const refused = claim?.lastFailure;
  if (refused?.message == null) return undefined;
  const type = refused.applicationFailureInfo?.type;
  if (type == null || !Object.hasOwn(FAILURES, type)) return undefined;
  return { type: type as FailureType, message: `${refused.message} (${queue})` };
}
