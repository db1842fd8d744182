import { expect, test } from 'vitest';
import { retryLines } from '../../client/watch.ts';

const failing = (attempt: number, lastFailure?: string) => [
  { activity: 'resolveInputs', attempt, ...(lastFailure === undefined ? {} : { lastFailure }) },
];

test('of a step that is tried again each reason is said once', () => {
  const said = new Map<string, string>();
  const lines = (...args: Parameters<typeof failing>) => retryLines('resolve', failing(...args), said);
  expect(lines(1)).toEqual([]);
  expect(lines(4, 'no credentials')).toEqual([
    'resolve: attempt 3 of resolveInputs failed: no credentials; it is tried again',
  ]);
  expect(lines(5, 'no credentials')).toEqual([]);
  expect(lines(6, 'no space\u001b[2J')).toEqual([
    expect.stringMatching(
      /^resolve: attempt 5 of resolveInputs failed: no space[^\u001b]*; it is tried again$/,
    ),
  ]);
  expect(lines(7)).toEqual(['resolve: attempt 6 of resolveInputs failed: timed out; it is tried again']);
});

test('a claim that was refused is waiting, and no failure', () => {
  expect(retryLines('claim', [{ activity: 'claimHost', attempt: 9, lastFailure: 'full' }])).toEqual([]);
});
