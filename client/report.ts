import type { Client, WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import proto from '@temporalio/proto';
import type { Progress } from '../host/progress.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { BuildResult, Failure } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { COMMON_QUEUE } from '../workflows/names.ts';
import type { BuildStatus } from '../workflows/status.ts';
import { BuildCancelled, endOf, isNotFound, unknownBuild } from './failures.ts';
import { publishedResult } from './records.ts';

const QUERY_MILLISECONDS = 5000;
const DESCRIBE_MILLISECONDS = 5000;
const { PendingActivityState, PendingWorkflowTaskState, TaskQueueType } = proto.temporal.api.enums.v1;

export type BuildState = BuildStatus['state'];

/** What an activity that is under way says. */
export interface PendingStep {
  activity: string;
  attempt: number;
  /** Why the attempt before failed, where there was one. */
  lastFailure?: string;
  progress?: Progress;
}

/**
 * What Temporal knows of a build whose workflow does not answer. `busy`: a worker is at it all the same; `no-worker`: none
 * has asked for work for minutes; `silent`: neither is known.
 */
export type NoAnswer = 'busy' | 'no-worker' | 'silent';

/** What is known of one run of a build. */
export interface BuildReport {
  id: string;
  run: string;
  state: BuildState;
  /** ISO 8601. */
  startedAt: string;
  endedAt?: string;
  /** Absent where no worker answers, and after Temporal forgot the run. */
  status?: BuildStatus;
  /** Of a running build without `status`. */
  noAnswer?: NoAnswer;
  steps: PendingStep[];
  failure?: Failure;
  /** Once published; also for a build that failed. */
  result?: BuildResult;
  /** Temporal knows how it ended, and retention has deleted its result: its log and artifacts are gone. */
  resultDeleted?: true;
}

/** A build's report: from Temporal while it knows the build, else from the record in the store. */
export async function reportOf(
  client: Client | undefined,
  store: Store,
  id: string,
  run?: string,
): Promise<BuildReport> {
  const handle = client?.workflow.getHandle(id, run);
  // Without a deadline the SDK tries on for long while Temporal is away, and callers could not say so.
  const asked = () => handle?.describe();
  const described = client?.withDeadline(Date.now() + DESCRIBE_MILLISECONDS, async () => asked());
  const description = await described?.catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  if (client !== undefined && handle !== undefined && description !== undefined) {
    return fromTemporal(client, store, handle, description);
  }
  const result = await publishedResult(store, id, run);
  if (result === undefined) throw unknownBuild(id, store.location);
  return fromResult(result);
}

/** A published result as a report. */
export function fromResult(result: BuildResult): BuildReport {
  return {
    id: result.build,
    run: result.run,
    state: result.outcome,
    startedAt: result.startedAt,
    endedAt: result.endedAt,
    steps: [],
    result,
    ...(result.failure === undefined ? {} : { failure: result.failure }),
  };
}

async function fromTemporal(
  client: Client,
  store: Store,
  handle: WorkflowHandle,
  description: WorkflowExecutionDescription,
): Promise<BuildReport> {
  const { workflowId: id, runId: run, startTime, closeTime } = description;
  const known = {
    id,
    run,
    startedAt: startTime.toISOString(),
    ...(closeTime === undefined ? {} : { endedAt: closeTime.toISOString() }),
  };
  if (description.status.name === 'RUNNING') {
    const [status, steps] = await Promise.all([
      askStatus(client, id, run),
      pendingSteps(client, description),
    ]);
    const answer = status === undefined ? { noAnswer: await whyNoAnswer(client, description) } : { status };
    return { ...known, state: 'running', steps, ...answer };
  }
  const result = await publishedResult(store, id, run);
  if (result !== undefined) return fromResult(result);
  return { ...known, steps: [], ...(await closedWithout(handle)) };
}

/** How a run ended that published nothing. */
async function closedWithout(
  handle: WorkflowHandle,
): Promise<Pick<BuildReport, 'state' | 'failure' | 'result' | 'resultDeleted'>> {
  try {
    const result = (await handle.result()) as BuildResult;
    // Who completes has published before: somebody deleted the record since.
    return { state: result.outcome, result, resultDeleted: true };
  } catch (error) {
    const end = endOf(error);
    if (end instanceof BuildCancelled) return { state: 'cancelled' };
    if (end instanceof SlipwayFailure) return { state: 'failed', failure: end.details() };
    throw end;
  }
}

/** The workflow's own words; undefined where no worker answers in time. */
async function askStatus(client: Client, id: string, run: string): Promise<BuildStatus | undefined> {
  const handle = client.workflow.getHandle(id, run);
  const asked = () => handle.query<BuildStatus>('status');
  return client.withDeadline(Date.now() + QUERY_MILLISECONDS, asked).catch(() => undefined);
}

async function whyNoAnswer(client: Client, { raw }: WorkflowExecutionDescription): Promise<NoAnswer> {
  const isAtWork = (raw.pendingActivities ?? []).some(
    ({ state }) =>
      state === PendingActivityState.PENDING_ACTIVITY_STATE_STARTED ||
      state === PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
  );
  const isTaken =
    raw.pendingWorkflowTask?.state === PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED;
  if (isAtWork || isTaken) return 'busy';
  const asked = () =>
    client.workflowService.describeTaskQueue({
      namespace: client.options.namespace,
      taskQueue: { name: COMMON_QUEUE },
      taskQueueType: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    });
  const queue = await client.withDeadline(Date.now() + QUERY_MILLISECONDS, asked).catch(() => undefined);
  return queue?.pollers?.length === 0 ? 'no-worker' : 'silent';
}

async function pendingSteps(
  client: Client,
  description: WorkflowExecutionDescription,
): Promise<PendingStep[]> {
  const { loadedDataConverter } = client.options;
  const pending = description.raw.pendingActivities ?? [];
  return Promise.all(
    pending.map(async ({ activityType, attempt, lastFailure, heartbeatDetails }) => {
      const [details] = await decodeArrayFromPayloads(loadedDataConverter, heartbeatDetails?.payloads);
      return {
        activity: activityType?.name ?? '',
        attempt: attempt ?? 1,
        ...(lastFailure?.message ? { lastFailure: lastFailure.message } : {}),
        ...(isProgress(details) ? { progress: details } : {}),
      };
    }),
  );
}

function isProgress(details: unknown): details is Progress {
  return typeof details === 'object' && details !== null && 'what' in details && 'done' in details;
}
