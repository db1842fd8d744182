import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { ActivityCancellationDetails } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { activity } from '../../activities/activity.ts';
import { isRetried } from '../../activities/failure.ts';
import { run } from '../../host/run.ts';
import { FAILURES, type FailureType, SlipwayFailure } from '../../schema/failures.ts';
import { BlobMissing } from '../../stores/store.ts';

async function thrownBy(step: () => Promise<unknown>): Promise<ApplicationFailure> {
  const environment = new MockActivityEnvironment();
  const error = await environment.run(activity('fetch', step)).catch((thrown: unknown) => thrown);
  if (!(error instanceof ApplicationFailure)) throw error;
  return error;
}

test.each(Object.keys(FAILURES) as FailureType[])('%s keeps its type and its details', async (type) => {
  const failure = await thrownBy(async () => {
    throw new SlipwayFailure(type, 'why', { items: ['a'] });
  });
  expect(failure).toMatchObject({ type, message: 'why', nonRetryable: !isRetried(type) });
  expect(failure.details).toEqual([
    { type, message: 'why', advice: FAILURES[type].advice, phase: 'fetch', items: ['a'] },
  ]);
});

test('only what waiting can mend is retried', () => {
  const retried = (Object.keys(FAILURES) as FailureType[]).filter((type) => isRetried(type)).sort();
  expect(retried).toEqual([
    'DownloadFailed',
    'HostFull',
    'NoHostAvailable',
    'ScratchFull',
    'StoreUnavailable',
  ]);
});

test('a guest that its host had no room for has ended: another attempt would only find it again', async () => {
  const step = activity('build', () => Promise.reject(new SlipwayFailure('ScratchFull', 'full')));
  const failure = await new MockActivityEnvironment().run(step).catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ type: 'ScratchFull', nonRetryable: true });
});

test.each([
  ['a full host is asked again after a second', 'HostFull', 1000],
  ['a store that is away is given time', 'StoreUnavailable', 30_000],
] as const)('%s', async (_, type, pause) => {
  const failure = await thrownBy(async () => {
    throw new SlipwayFailure(type, 'why');
  });
  expect(failure.nextRetryDelay).toBe(pause);
});

test.each([
  ['a missing program', () => run(['slipway-no-such-program']), 'HostUnfit'],
  ['a full disk', () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })), 'ScratchFull'],
  [
    'a command on a full disk',
    () => run(['sh', '-c', 'echo "tar: a: No space left on device" >&2; exit 2']),
    'ScratchFull',
  ],
  ['a missing blob', () => Promise.reject(new BlobMissing('0'.repeat(64), '/store')), 'StoreUnavailable'],
])('%s is typed', async (_what, step, type) => {
  expect((await thrownBy(step)).type).toBe(type);
});

test('what nobody knows is tried again', async () => {
  const failure = await thrownBy(() => run(['false']));
  expect(failure).toMatchObject({ type: 'CommandFailed', nonRetryable: false });
});

test('a command that ends because of a cancel is a cancellation, not a failed command', async () => {
  const environment = new MockActivityEnvironment();
  const running = environment.run(activity('fetch', ({ signal }) => run(['sleep', '60'], { signal })));
  setTimeout(() => environment.cancel('CANCELLED'), 100);
  const error = await running.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CancelledFailure);
});

test('a worker that goes away fails the attempt, not the build', async () => {
  const shutdown = new ActivityCancellationDetails({ workerShutdown: true });
  const environment = new MockActivityEnvironment();
  const running = environment.run(activity('fetch', ({ signal }) => run(['sleep', '60'], { signal })));
  setTimeout(() => environment.cancel('WORKER_SHUTDOWN', shutdown), 100);
  const error = await running.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ type: 'AttemptStopped', nonRetryable: false });
});
