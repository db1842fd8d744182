import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  TimeoutFailure,
} from '@temporalio/workflow';
import { FAILURES, type FailureDetails, type FailureType } from '../schema/failures.ts';
import { ATTEMPT_STOPPED } from './names.ts';

/** What follows from a failure of a step on a host. */
export type Verdict =
  /** The package's own: the build goes on to publish it. */
  | 'outcome'
  /** The place is lost: claim again from the same lock. */
  | 'again'
  /** One more try, on another host if there is one. */
  | 'elsewhere'
  /** The workflow fails. */
  | 'fatal';

const LOST: readonly FailureType[] = ['HostLost', 'LeaseLost', 'HostRebooted', 'VmLost', 'ScratchFull'];

export function verdict(failure: FailureDetails): Verdict {
  const { family } = FAILURES[failure.type];
  if (family === 'package') return 'outcome';
  if (LOST.includes(failure.type)) return 'again';
  return family === 'guest' || failure.type === 'HostUnfit' ? 'elsewhere' : 'fatal';
}

/**
 * The typed failure that an activity ended with; undefined where it is none of an activity. What no activity could type
 * and no attempt mend is the host's: it may do on another.
 */
export function failureOf(error: unknown): FailureDetails | undefined {
  if (!(error instanceof ActivityFailure)) return undefined;
  const { cause } = error;
  if (cause instanceof ApplicationFailure && isFailureType(cause.type)) {
    const [details] = (cause.details ?? []) as FailureDetails[];
    return details ?? { type: cause.type, message: cause.message, advice: FAILURES[cause.type].advice };
  }
  // Also an attempt that is told to stop each time, since its worker goes away: the last one of too many.
  const lost =
    cause instanceof TimeoutFailure ||
    (cause instanceof ApplicationFailure && cause.type === ATTEMPT_STOPPED);
  const type = lost ? 'HostLost' : 'HostUnfit';
  return {
    type,
    message: `${error.activityType}: ${cause?.message ?? error.message}`,
    advice: FAILURES[type].advice,
  };
}

/** Whether nobody on the host takes tasks any more: only the server can tell, and does so atomically. */
export function isHostGone(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  );
}

/** Whether the build was cancelled: a cancel while the worker is dead surfaces as a time-out. */
export function isCancelled(error: unknown): boolean {
  return isCancellation(error) || CancellationScope.current().consideredCancelled;
}

function isFailureType(type: string | null | undefined): type is FailureType {
  return typeof type === 'string' && Object.hasOwn(FAILURES, type);
}
