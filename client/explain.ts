import { CommandFailed } from '../host/run.ts';
import { type FailureDetails, SlipwayFailure } from '../schema/failures.ts';
import type { Failure } from '../schema/result.ts';
import { UsageError } from './exit-codes.ts';
import { BuildCancelled, isOutage, NotFetched, TemporalUnavailable } from './failures.ts';
import { printable } from './printable.ts';

/** An error as one block for a person: what, why, what to do. A stack only where DEBUG is set. */
export function explain(error: unknown): string {
  if (process.env.DEBUG && error instanceof Error) return `${block(error)}\n\n${error.stack}`;
  return block(error);
}

function block(error: unknown): string {
  if (error instanceof SlipwayFailure) return explainFailure(error.details());
  if (error instanceof UsageError) return lines(error.message, [], error.advice ?? 'See slipway --help.');
  if (error instanceof NotFetched) return lines(error.message, [], error.advice);
  if (error instanceof BuildCancelled) return error.message;
  if (error instanceof TemporalUnavailable || isOutage(error)) {
    const advice =
      (error instanceof TemporalUnavailable ? error.advice : undefined) ??
      'Start one here with slipway dev, or set TEMPORAL_ADDRESS to the one that your workers use.';
    return lines((error as Error).message, [], advice);
  }
  if (error instanceof CommandFailed) return lines(error.message, [], 'Run slipway doctor.');
  const message = error instanceof Error ? error.message : String(error);
  return lines(message, [], 'This was not expected. With DEBUG=1 it shows where it comes from.');
}

/** A typed failure as one block. */
export function explainFailure(failure: Failure | FailureDetails): string {
  const { type, message, phase, exitCode, items = [], lastLines = [], advice } = failure;
  const where = phase === undefined ? '' : ` in phase ${phase}`;
  const code = exitCode === undefined || message.includes(`${exitCode}`) ? '' : ` (exit code ${exitCode})`;
  const tail = lastLines.length === 0 ? [] : ['last lines:', ...lastLines.map((line) => `  ${line}`)];
  const named = items.filter((item) => !message.includes(item));
  return lines(`${type}${where}: ${message}${code}`, [...named, ...tail], advice);
}

function lines(what: string, why: readonly string[], advice: string): string {
  const text = [`error: ${what}`, ...why.map((line) => `  ${line}`), `To do: ${advice}`].join('\n');
  return printable(text);
}
