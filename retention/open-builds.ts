import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { temporal } from '@temporalio/proto';
import pLimit from 'p-limit';
import type { Digest } from '../schema/digest.ts';
import type { Store } from '../stores/store.ts';
import { BUILD_WORKFLOW, COMMON_QUEUE } from '../workflows/names.ts';
import { addReferences, type References, referencesIn } from './references.ts';
import { documentDigests } from './unreferenced-blobs.ts';

/** Builds that have not ended. */
export interface OpenBuilds {
  /** Workflow run ids. */
  runs: Set<string>;
  references: References;
}

/** Who knows of builds. */
export interface Builds {
  /** All builds that have not ended. */
  open(): Promise<OpenBuilds>;
  /** Whether a run is known, open or closed. */
  knows(build: string, run: string): Promise<boolean>;
  /** Whether it knows any build, or a worker polls for builds. */
  isInUse(): Promise<boolean>;
}

/** Temporal's word on builds; errors of the client where it cannot be reached. */
export function temporalBuilds(client: Client): Builds {
  return {
    open: () => openBuilds(client),
    knows: (build, run) => knowsRun(client, build, run),
    isInUse: () => isInUse(client),
  };
}

const WORKFLOW_QUEUE: temporal.api.enums.v1.TaskQueueType = 1;
/** Histories read at a time. */
const PARALLEL = 8;

/** Whatever runs on our queue counts, not only what is known to be a build. */
const QUERY = `ExecutionStatus = "Running" AND (WorkflowType = "${BUILD_WORKFLOW}" OR TaskQueue = "${COMMON_QUEUE}")`;

/**
 * What Temporal knows of open builds. All that a build refers to stands in its history: its request, the digest of its
 * lock, and the artifacts that it has uploaded and not published yet. So no worker has to answer a query.
 */
async function openBuilds(client: Client): Promise<OpenBuilds> {
  const open: OpenBuilds = { runs: new Set(), references: { digests: new Set(), documents: new Set() } };
  const executions: { workflowId: string; runId: string }[] = [];
  for await (const execution of client.workflow.list({ query: QUERY })) executions.push(execution);
  const limit = pLimit({ concurrency: PARALLEL, rejectOnClear: true });
  await limit.map(executions, async ({ workflowId, runId }) => {
    open.runs.add(runId);
    addReferences(open.references, await historyReferences(client, workflowId, runId));
  });
  return open;
}

async function historyReferences(client: Client, workflowId: string, runId: string): Promise<References> {
  const references: References = { digests: new Set(), documents: new Set() };
  const history = await client.workflow
    .getHandle(workflowId, runId)
    .fetchHistory()
    .catch((error: unknown) => {
      // Ended and deleted since the list was made.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    });
  for (const payload of payloadsIn(history)) {
    const [value] = await decodeArrayFromPayloads(client.options.loadedDataConverter, [payload]);
    addReferences(references, referencesIn(value));
  }
  return references;
}

/**
 * The inputs of builds, by workflow id and run: all that their histories and locks refer to.
 * @throws SlipwayFailure StoreUnavailable; errors of the client where Temporal cannot be reached
 */
export async function inputsOfRuns(
  client: Client,
  store: Pick<Store, 'readBytes'>,
  runs: readonly { build: string; run: string }[],
): Promise<Set<Digest>> {
  const digests = new Set<Digest>();
  for (const { build, run } of runs) {
    const references = await historyReferences(client, build, run);
    for (const digest of references.digests) digests.add(digest);
    for (const document of references.documents) {
      for (const digest of await documentDigests(store, document)) digests.add(digest);
    }
  }
  return digests;
}

/** Every payload in a history, in whichever kind of event it is. */
function* payloadsIn(value: unknown): Generator<Payload> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if ('metadata' in value && 'data' in value && value.data instanceof Uint8Array) {
    yield value as Payload;
    return;
  }
  for (const item of Object.values(value)) yield* payloadsIn(item);
}

async function knowsRun(client: Client, workflowId: string, runId: string): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId, runId).describe();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

async function isInUse(client: Client): Promise<boolean> {
  const query = `WorkflowType = "${BUILD_WORKFLOW}"`;
  for await (const _ of client.workflow.list({ query, pageSize: 1 })) return true;
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: COMMON_QUEUE },
    taskQueueType: WORKFLOW_QUEUE,
  });
  return pollers.length > 0;
}
