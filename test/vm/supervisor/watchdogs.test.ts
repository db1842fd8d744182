import { describe, expect, it } from 'vitest';
import {
  judge,
  MAX_SIDE_BYTES,
  type Observation,
  POWER_OFF_SECONDS,
} from '../../../vm/supervisor/watchdogs.ts';

const limits = {
  bootSeconds: 30,
  heartbeatSeconds: 20,
  logSilenceSeconds: 100,
  totalSeconds: 1000,
  logBytes: 5000,
};

/** A guest that booted after 5 s and was heard of just now. */
const fine: Observation = {
  ...{ now: 50, helloAt: 5, heardAt: 50, doneAt: undefined, logAt: 50 },
  ...{ logBytes: 100, consoleBytes: 100, controlBytes: 100, untilDeadline: 60 },
};

function failure(seen: Partial<Observation>, phase: 'install' | 'build' = 'build') {
  return judge({ ...fine, ...seen }, { limits, phase })?.failure;
}

describe('watchdogs', () => {
  it('leave a guest alone that keeps its limits', () => {
    expect(failure({})).toBeUndefined();
    expect(failure({ now: 30, helloAt: undefined, heardAt: 0, logAt: 0 })).toBeUndefined();
    expect(failure({ now: 999, heardAt: 980, logAt: 900, logBytes: 5000 })).toBeUndefined();
  });

  it.each([
    ['BootTimedOut', { now: 31, helloAt: undefined, heardAt: 0 }],
    ['GuestHung', { heardAt: 29.9 }],
    ['BuildStalled', { now: 150.1, heardAt: 150 }],
    ['BuildTimedOut', { now: 1000.1, heardAt: 1000, logAt: 1000 }],
    ['LogLimitExceeded', { logBytes: 5001 }],
    ['LogLimitExceeded', { consoleBytes: MAX_SIDE_BYTES + 1 }],
    ['LogLimitExceeded', { controlBytes: MAX_SIDE_BYTES + 1 }],
    ['VmLost', { untilDeadline: 0 }],
  ] as const)('%s: %j', (type, seen) => {
    expect(failure(seen)).toBe(type);
  });

  it('blame the installation where it is silent, since the guest itself is alive', () => {
    expect(failure({ now: 150.1, heardAt: 150 }, 'install')).toBe('InstallFailed');
  });

  it('wait for a guest that is done to power off, and for nothing else', () => {
    expect(failure({ doneAt: 45, heardAt: 0, logAt: 0 })).toBeUndefined();
    expect(failure({ doneAt: 50 - POWER_OFF_SECONDS - 0.1 })).toBe('NoStatus');
    expect(failure({ doneAt: 50, untilDeadline: -1 })).toBe('VmLost');
    expect(failure({ doneAt: 50, logBytes: 5001 })).toBe('LogLimitExceeded');
  });
});
