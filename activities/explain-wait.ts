import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { FAILURES, type FailureType } from '../schema/failures.ts';
import { demandQueue } from '../workflows/names.ts';
import { activity } from './activity.ts';
import type { AnywhereActivities, Demand, Waiting } from './contract.ts';
import { type Pollers, pollersOf } from './pollers.ts';
import { offers, type Presence, presentHosts } from './presence.ts';

/** Thousands of builds that wait ask at the same time: what is the same for all is asked once in so long. */
const KEPT_MILLISECONDS = 5000;
const MOST_NAMED = 5;

export function explainWait(): AnywhereActivities['explainWait'] {
  const hosts = kept((client: Client) => presentHosts(client));
  const pollers = kept((client: Client, queue: string) => pollersOf(client, queue));
  return activity(undefined, async (_context, demand) => {
    const { client, info } = Context.current();
    const queue = demandQueue(demand);
    const present = (await hosts('', client)).filter((host) => offers(host, demand));
    const large = present.filter(({ memoryMiB }) => memoryMiB >= demand.memoryMiB);
    const { identities, waiting } = await pollers(queue, client, queue);
    if (large.length === 0 && identities.length === 0) {
      return { type: 'NoHostAvailable', message: nobody(demand, queue, present) };
    }
    return (
      (info.workflowExecution && (await lastAnswer(client, info.workflowExecution, queue))) ?? {
        type: 'HostFull',
        message: full(queue, large, waiting),
      }
    );
  });
}

/** It may be the memory alone that nobody offers. */
function nobody({ memoryMiB }: Demand, queue: string, present: readonly Presence[]): string {
  if (present.length === 0) {
    return `no worker offers what is demanded: nobody polls ${queue}; start one that offers it, or demand less`;
  }
  const most = Math.max(...present.map((host) => host.memoryMiB));
  return `${memoryMiB} MiB of memory are more than any host has for guests: the largest has at most ${most} MiB (nobody polls ${queue})`;
}

/** A host that has no place does not poll. */
function full(queue: string, hosts: readonly Presence[], waiting: Pollers['waiting']): string {
  const names = hosts.map(({ host }) => host);
  const shown = names.slice(0, MOST_NAMED).join(', ');
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  if (names.length === 0) return `no host that polls ${queue} has answered yet`;
  const others = waiting === undefined || waiting < 2 ? '' : `; about ${waiting} builds wait for one`;
  return `no place is free on ${shown}${more} (${queue})${others}`;
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

/** Answers of the last seconds are given again, by key; an answer that failed is not kept. */
function kept<A extends unknown[], R>(
  ask: (...args: A) => Promise<R>,
): (key: string, ...args: A) => Promise<R> {
  const answers = new Map<string, { at: number; answer: Promise<R> }>();
  return (key, ...args) => {
    const now = performance.now();
    for (const [old, { at }] of answers) if (now - at > KEPT_MILLISECONDS) answers.delete(old);
    const known = answers.get(key);
    if (known !== undefined) return known.answer;
    const answer = ask(...args);
    answers.set(key, { at: now, answer });
    answer.catch(() => answers.delete(key));
    return answer;
  };
}
