import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { activity } from '../../activities/activity.ts';
import type { StepContext } from '../../host/progress.ts';

/** What a step of so many milliseconds beats with that reports its progress first. */
async function beatsOf(milliseconds: number, heartbeatTimeoutMs?: number): Promise<unknown[]> {
  const environment = new MockActivityEnvironment(
    { ...(heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs }) },
    { logger: new DefaultLogger('ERROR') },
  );
  const beats: unknown[] = [];
  environment.on('heartbeat', (details) => beats.push(details));
  const step = async ({ report }: StepContext) => {
    report({ what: 'files', done: 1, unit: 'files' });
    await sleep(milliseconds);
  };
  await environment.run(activity(undefined, step));
  return beats;
}

test.concurrent.each([
  ['none where it is over soon', 500, 15_000, 0],
  ['its progress every two seconds', 4500, 15_000, 2],
  ['none where nobody waits for one', 2500, undefined, 0],
] as const)('a step beats with %s', async (_, milliseconds, timeout, count) => {
  expect(await beatsOf(milliseconds, timeout)).toEqual(
    Array(count).fill(expect.objectContaining({ done: 1 })),
  );
});
