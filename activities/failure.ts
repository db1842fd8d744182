import { ApplicationFailure, CancelledFailure, type Context } from '@temporalio/activity';
import { CommandFailed } from '../host/run.ts';
import { FAILURES, type FailureType, type Phase, SlipwayFailure } from '../schema/failures.ts';
import { BlobMissing } from '../stores/store.ts';
import { ATTEMPT_STOPPED } from '../workflows/names.ts';

/** Failures of the host family that another attempt on the same host cannot mend. */
const FOR_GOOD: readonly FailureType[] = ['LeaseLost', 'HostRebooted', 'VmLost', 'HostLost', 'HostUnfit'];

/** Pauses before the next attempt that are not the retry policy's, milliseconds. */
const PAUSES: Partial<Record<FailureType, number>> = {
  HostFull: 1000,
  NoHostAvailable: 5000,
  StoreUnavailable: 30_000,
};

/** Whether the same activity is tried again after a failure. A guest that its host had no room for stays ended. */
export function isRetried(type: FailureType, phase?: Phase): boolean {
  if (type === 'ScratchFull' && (phase === 'install' || phase === 'build')) return false;
  return FAILURES[type].family === 'host' && !FOR_GOOD.includes(type);
}

/**
 * What an activity throws to Temporal for what its step threw: the typed failure with its details, the cancellation
 * where one was asked for, and for all else an error that is tried again.
 */
export function toTemporal(error: unknown, context: Context, phase?: Phase): Error {
  if (context.cancellationSignal.aborted) return stopped(context);
  if (error instanceof ApplicationFailure) return error;
  const failure = error instanceof SlipwayFailure ? error : known(error);
  if (failure === undefined) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return ApplicationFailure.create({ type: name, message, cause: asError(error) });
  }
  const details = failure.details(phase);
  const pause = PAUSES[failure.type];
  return ApplicationFailure.create({
    type: failure.type,
    message: details.message,
    nonRetryable: !isRetried(failure.type, phase),
    details: [details],
    ...(pause === undefined ? {} : { nextRetryDelay: pause }),
    ...(failure.cause === undefined ? {} : { cause: asError(failure.cause) }),
  });
}

/** Told to stop: only a cancel that was asked for is one; a worker that goes away leaves its work to the next. */
function stopped({ cancellationDetails, cancellationSignal }: Context): Error {
  const { reason } = cancellationSignal;
  if (cancellationDetails?.cancelRequested && reason instanceof CancelledFailure) return reason;
  return ApplicationFailure.create({
    type: ATTEMPT_STOPPED,
    message: `this attempt was stopped: ${reason instanceof Error ? reason.message : reason}`,
    nextRetryDelay: 500,
  });
}

/** The typed failure that an error of the system or of a command is. */
function known(error: unknown): SlipwayFailure | undefined {
  if (error instanceof BlobMissing) {
    return new SlipwayFailure('StoreUnavailable', error.message, {
      advice: 'Check that all workers and clients use the same store.',
      cause: error,
    });
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const text = error instanceof CommandFailed ? error.stderr : '';
  if (code === 'ENOSPC' || code === 'EDQUOT' || /No space left on device/.test(text)) {
    return new SlipwayFailure('ScratchFull', message, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM' || (error instanceof CommandFailed && code === 'ENOENT')) {
    return new SlipwayFailure('HostUnfit', message, { cause: error });
  }
  return undefined;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
