import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { identityOf, PRESENCE_QUEUE, type Presence } from '../activities/presence.ts';

/** So long a poll lasts: the SDK's native connection cannot end one before, and until then the process lives. */
const POLL_MILLISECONDS = 8000;
/** Where Temporal does not answer, and where it answers at once. */
const AGAIN_MILLISECONDS = 5000;

/**
 * Lets the farm know that this host is there and what it offers, until told to stop. Never rejects: who has lost
 * Temporal hears of it from the workers.
 */
export async function keepPresent(client: Client, presence: Presence, signal: AbortSignal): Promise<void> {
  const identity = identityOf(presence);
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  while (!signal.aborted) {
    const pause = sleep(AGAIN_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    await Promise.race([stopped, Promise.all([poll(client, identity), pause])]);
  }
}

/** Ends when the server has waited for a task in vain, or does not answer. */
async function poll(client: Client, identity: string): Promise<void> {
  const { connection, workflowService, options } = client;
  const once = () =>
    workflowService.pollActivityTaskQueue({
      namespace: options.namespace,
      taskQueue: { name: PRESENCE_QUEUE },
      identity,
    });
  await connection.withDeadline(Date.now() + POLL_MILLISECONDS, once).catch(() => undefined);
}
