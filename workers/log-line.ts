import { ApplicationFailure } from '@temporalio/common';
import type { LogEntry } from '@temporalio/worker';
import type { FailureType } from '../schema/failures.ts';

/** Failures by which builds wait for their turn: nothing that an operator should do something about. */
const WAITING: readonly string[] = ['HostFull', 'NoHostAvailable'] satisfies FailureType[];

/** What Temporal's SDK has to say, in the words of a person; undefined where it is nothing to a person. */
export function logLine({
  level,
  message,
  meta,
}: Pick<LogEntry, 'level' | 'message' | 'meta'>): string | undefined {
  // Only one of the host's queues has workflows.
  if (message.startsWith('No workflows registered')) return undefined;
  const { error, workflowId, activityType } = (meta ?? {}) as Record<string, unknown>;
  if (error instanceof ApplicationFailure && WAITING.includes(error.type ?? '')) return undefined;
  const of = [activityType, workflowId].filter((word) => typeof word === 'string').join(' of ');
  const why = error instanceof Error ? `: ${error.message}` : '';
  return `${level.toLowerCase()}: ${of === '' ? '' : `${of}: `}${message}${why}`;
}
