import type { Client } from '@temporalio/client';
import proto, { type temporal } from '@temporalio/proto';
import pLimit from 'p-limit';
import { AT_ONCE } from './submit.ts';

type Event = temporal.api.history.v1.IHistoryEvent;

/** What the history of one run says; times in seconds. */
export interface RunFigures {
  /** `completed`, `failed: …` or `open at …`. */
  outcome: string;
  startedAt: number;
  closedAt: number;
  events: number;
  bytes: number;
  /** From the start of the workflow to the completion of its first claim; undefined where there was none. */
  queueWait?: number;
  steps: StepFigures[];
}

/** One activity of a run. */
export interface StepFigures {
  type: string;
  attempts: number;
  /** From being scheduled to the start of the last attempt: pauses between attempts are in it. */
  waited: number;
  worked: number;
  /** Only of `publishResult`: whether it was the one that published. */
  first?: boolean;
}

/** Reads the histories of these workflows, a few at a time. */
export function readRuns(client: Client, ids: readonly string[]): Promise<RunFigures[]> {
  return pLimit(AT_ONCE).map(ids, async (id) => {
    const history = await client.workflow.getHandle(id).fetchHistory();
    const { byteLength } = proto.temporal.api.history.v1.History.encode(history).finish();
    const figures = figuresOf(history.events ?? [], byteLength);
    return figures.outcome === 'open' ? { ...figures, outcome: await whereOf(client, id) } : figures;
  });
}

/** What a run that has not closed is at. */
async function whereOf(client: Client, id: string): Promise<string> {
  const { raw } = await client.workflow.getHandle(id).describe();
  const at = (raw.pendingActivities ?? []).map(
    ({ activityType, attempt, lastFailure }) =>
      `${activityType?.name}, attempt ${attempt}${lastFailure == null ? '' : `: ${lastFailure.message}`}`,
  );
  return `open at ${at.join('; ') || 'no activity'}`;
}

export function figuresOf(events: readonly Event[], bytes: number): RunFigures {
  const [first] = events;
  const last = events.at(-1);
  const steps = events.flatMap((event) => step(events, event));
  const claimed = events.find((event) => completedOf(events, event)?.activityType?.name === 'claimHost');
  return {
    outcome: outcomeOf(last),
    startedAt: seconds(first),
    closedAt: seconds(last),
    events: events.length,
    bytes,
    ...(claimed === undefined ? {} : { queueWait: seconds(claimed) - seconds(first) }),
    steps,
  };
}

/** The order to which an event is the completion. */
function completedOf(events: readonly Event[], event: Event) {
  const id = event.activityTaskCompletedEventAttributes?.scheduledEventId;
  if (id === undefined) return undefined;
  return events[Number(id) - 1]?.activityTaskScheduledEventAttributes;
}

function step(events: readonly Event[], event: Event): StepFigures[] {
  const scheduled = completedOf(events, event);
  const completed = event.activityTaskCompletedEventAttributes;
  if (scheduled == null || completed == null) return [];
  const started = events[Number(completed.startedEventId) - 1];
  const order = events[Number(completed.scheduledEventId) - 1];
  const type = scheduled.activityType?.name ?? '';
  const first = type === 'publishResult' ? { first: wasFirst(completed.result) } : {};
  return [
    {
      type,
      attempts: started?.activityTaskStartedEventAttributes?.attempt ?? 1,
      waited: seconds(started) - seconds(order),
      worked: seconds(event) - seconds(started),
      ...first,
    },
  ];
}

function wasFirst(result: temporal.api.common.v1.IPayloads | null | undefined): boolean {
  const data = result?.payloads?.[0]?.data;
  return data != null && JSON.parse(Buffer.from(data).toString()).first === true;
}

function outcomeOf(last: Event | undefined): string {
  if (last?.workflowExecutionCompletedEventAttributes != null) return 'completed';
  const failure = last?.workflowExecutionFailedEventAttributes?.failure;
  if (failure != null) return `failed: ${failure.message}`;
  return 'open';
}

function seconds(event: Event | undefined): number {
  const { seconds = 0, nanos = 0 } = event?.eventTime ?? {};
  return Number(seconds) + (nanos ?? 0) / 1e9;
}
