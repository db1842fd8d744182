import { ActivityFailure, ApplicationFailure, RetryState, TimeoutFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { FAILURES } from '../../schema/failures.ts';
import { failureOf, verdict } from '../../workflows/verdict.ts';

function ended(cause: Error): ActivityFailure {
  return new ActivityFailure(
    'it failed',
    'preinstall',
    '1',
    RetryState.MAXIMUM_ATTEMPTS_REACHED,
    'worker',
    cause,
  );
}

test.each([
  ['a time-out', new TimeoutFailure('too late', undefined, 'HEARTBEAT'), 'HostLost', 'again'],
  [
    'a worker that went away each time',
    ApplicationFailure.create({ type: 'AttemptStopped' }),
    'HostLost',
    'again',
  ],
  [
    'an error of the system',
    ApplicationFailure.create({ type: 'Error', message: 'EIO' }),
    'HostUnfit',
    'elsewhere',
  ],
])('%s is typed, and tried on another host', (_what, cause, type, follows) => {
  const failure = failureOf(ended(cause));
  expect(failure).toMatchObject({ type, advice: FAILURES[type as keyof typeof FAILURES].advice });
  expect(failure?.message).toMatch(/^preinstall: /);
  expect(failure && verdict(failure)).toBe(follows);
});

test('a typed failure is kept as it is', () => {
  const details = { type: 'BuildFailed', message: 'exited with 2', advice: 'Read it.', exitCode: 2 };
  const cause = ApplicationFailure.create({ type: 'BuildFailed', details: [details] });
  expect(failureOf(ended(cause))).toEqual(details);
});

test('what is no failure of an activity is not typed', () => {
  expect(failureOf(new Error('a bug of the workflow'))).toBeUndefined();
});
