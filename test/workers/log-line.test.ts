import { ApplicationFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import { logLine } from '../../workers/log-line.ts';

function failed(type: string): string | undefined {
  const error = ApplicationFailure.create({ type, message: 'so it is' });
  const meta = { error, activityType: 'claimHost', workflowId: 'build/hello/ab' };
  return logLine({ level: 'WARN', message: 'Activity failed', meta });
}

it('says what failed, where and why', () => {
  expect(failed('ScratchFull')).toBe('warn: claimHost of build/hello/ab: Activity failed: so it is');
  expect(logLine({ level: 'ERROR', message: 'x', meta: {} })).toBe('error: x');
});

it.each(['HostFull', 'NoHostAvailable'])('is silent about builds that wait: %s', (type) => {
  expect(failed(type)).toBeUndefined();
});

it('is silent about a queue without workflows', () => {
  expect(logLine({ level: 'WARN', message: 'No workflows registered for x', meta: {} })).toBeUndefined();
});
