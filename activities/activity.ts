import { Context } from '@temporalio/activity';
import type { Progress, StepContext } from '../host/progress.ts';
import type { Phase } from '../schema/failures.ts';
import { toTemporal } from './failure.ts';

const BEAT_MILLISECONDS = 2000;

/**
 * Makes an activity of a step: beats with the step's latest progress for as long as it runs (cancellation comes back
 * that way), and turns what it throws into what the workflow branches on.
 */
export function activity<A extends unknown[], R>(
  phase: Phase | undefined | ((...args: A) => Phase),
  step: (context: StepContext, ...args: A) => Promise<R>,
): (...args: A) => Promise<R> {
  return async (...args) => {
    const context = Context.current();
    const beats = startBeats(context);
    try {
      return await step({ signal: context.cancellationSignal, report: beats.report }, ...args);
    } catch (error) {
      throw toTemporal(error, context, typeof phase === 'function' ? phase(...args) : phase);
    } finally {
      beats.stop();
    }
  };
}

/**
 * A timer's beats hide a step that hangs; steps that can hang have their own limits. The first comes after a pause too:
 * each is a write to Temporal's database, and most steps are over by then.
 */
function startBeats(context: Context): { report: StepContext['report']; stop: () => void } {
  let latest: Progress | undefined = context.info.heartbeatDetails;
  const beat = () => context.heartbeat(latest);
  const timer = context.info.heartbeatTimeoutMs ? setInterval(beat, BEAT_MILLISECONDS) : undefined;
  return {
    report: (progress) => {
      latest = progress;
    },
    stop: () => clearInterval(timer),
  };
}
