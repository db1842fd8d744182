import type { Client, WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { Progress } from '../host/progress.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { BuildResult, Failure } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import type { BuildStatus } from '../workflows/status.ts';
import { BuildCancelled, endOf, isNotFound, unknownBuild } from './failures.ts';
import { publishedResult } from './records.ts';

const QUERY_MILLISECONDS = 5000;
const DESCRIBE_MILLISECONDS = 5000;

export type BuildState = BuildStatus['state'];

/** What an activity that is under way says. */
export interface PendingStep {
  activity: string;
  attempt: number;
  /** Why the attempt before failed, where there was one. */
  lastFailure?: string;
  progress?: Progress;
}

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
    return { ...known, state: 'running', steps, ...(status === undefined ? {} : { status }) };
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
