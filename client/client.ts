import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { buildId, packageName } from '../schema/build-id.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { problems, validKeysOf } from '../schema/problems.ts';
import { BuildRequest, type BuildRequestInput } from '../schema/request.ts';
import { type Artifact, BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { workflowUrl } from '../workers/temporal-address.ts';
import { BUILD_WORKFLOW, COMMON_QUEUE } from '../workflows/names.ts';
import { deletedResult, endOf, isNotFound, isOutage, TemporalUnavailable, unknownBuild } from './failures.ts';
import { type FetchedArtifact, fetchArtifacts, logName } from './fetch-artifacts.ts';
import { findBuild, listBuilds } from './find.ts';
import { type LogOptions, readLog } from './log.ts';
import { publishedResult } from './records.ts';
import { type BuildReport, reportOf } from './report.ts';

export interface SlipwayClientOptions {
  /** Absent: only what the store knows; `start`, `wait` of a running build and `cancel` then throw TemporalUnavailable. */
  client?: Client;
  store: Store;
  /** Base of Temporal's Web UI, for links. */
  webUrl?: string;
}

export interface StartedBuild {
  id: string;
  run: string;
  /** An equal request was being built already: this is that build. */
  joined: boolean;
  webUrl?: string;
}

/** One run of a build; without `run`, the newest one. */
export interface OfRun {
  run?: string;
  signal?: AbortSignal;
}

export interface SlipwayClient {
  /**
   * Starts a build, or joins the one that builds an equal request right now.
   * @throws SlipwayFailure InvalidRequest with all wrong fields as `items`
   */
  start(request: BuildRequestInput): Promise<StartedBuild>;
  /**
   * Waits for the end, through outages of Temporal too. A package that fails to build is a result.
   * @throws SlipwayFailure where there is no result; BuildCancelled
   */
  wait(id: string, of?: OfRun): Promise<BuildResult>;
  /** @throws SlipwayFailure InvalidRequest where nobody knows the build */
  status(id: string, of?: OfRun): Promise<BuildReport>;
  /** @throws SlipwayFailure InvalidRequest where nobody knows the build, or retention has deleted its log */
  log(id: string, options?: LogOptions & OfRun): AsyncIterable<Uint8Array>;
  /** Asks to cancel and returns; `force` terminates: nothing is cleaned up but by the host's janitor. */
  cancel(id: string, options?: OfRun & { force?: boolean }): Promise<void>;
  /** What it published. @throws SlipwayFailure InvalidRequest where it has no result (yet), or retention has deleted it */
  result(id: string, of?: OfRun): Promise<BuildResult>;
  /** @throws as `result` */
  artifacts(id: string, of?: OfRun): Promise<Artifact[]>;
  /** Writes all or the named artifacts into a folder; see `fetchArtifacts`. */
  fetchArtifacts(
    id: string,
    folder: string,
    names?: readonly string[],
    of?: OfRun,
  ): Promise<FetchedArtifact[]>;
  /** Writes the whole log into a folder, as `<package>_<version>.log` where no artifact has that name. */
  fetchLog(id: string, folder: string, of?: OfRun): Promise<FetchedArtifact>;
  /** The newest builds, newest first. */
  list(limit?: number): Promise<BuildReport[]>;
  /** Full id from an abbreviation: a package (its newest build), `package/prefix`, or a prefix of the digest. */
  find(abbreviation: string): Promise<string>;
  /** Link to the Web UI, where it is known. */
  webUrl(build: { id: string; run: string }): string | undefined;
}

const CANCEL_MILLISECONDS = 5000;

/** Memo field by which a starter finds out whether the run is its own. */
const STARTER_MEMO = 'slipwayStarter';

/** A client for starting builds and for everything about them. Stateless; the connection stays the caller's. */
export function createSlipwayClient({ client, store, webUrl }: SlipwayClientOptions): SlipwayClient {
  const link: SlipwayClient['webUrl'] = ({ id, run }) =>
    webUrl === undefined || client === undefined
      ? undefined
      : workflowUrl(webUrl, client.options.namespace, id, run);
  return {
    start: async (request) => {
      const started = await start(needed(client), request);
      const url = link(started);
      return { ...started, ...(url === undefined ? {} : { webUrl: url }) };
    },
    wait: (id, of = {}) => wait(client, store, id, of),
    status: (id, { run } = {}) => reportOf(client, store, id, run),
    log: (id, options = {}) => log(client, store, id, options),
    cancel: (id, options = {}) => cancel(needed(client), store, id, options),
    result: (id, { run } = {}) => resultOf(client, store, id, run),
    artifacts: async (id, { run } = {}) => (await resultOf(client, store, id, run)).artifacts,
    fetchArtifacts: async (id, folder, names, { run } = {}) => {
      const { artifacts } = await resultOf(client, store, id, run);
      return fetchArtifacts(store, artifacts, folder, names);
    },
    fetchLog: async (id, folder, { run } = {}) => {
      const result = await resultOf(client, store, id, run);
      const path = logName(result);
      const artifact: Artifact = { path, kind: 'file', executable: false, ...result.log };
      await fetchArtifacts(store, [artifact], folder);
      return { ...artifact, file: join(folder, path) };
    },
    list: (limit = 20) => listBuilds(client, store, limit),
    find: (abbreviation) => findBuild(client, store, abbreviation),
    webUrl: link,
  };
}

/** A request with all defaults. @throws SlipwayFailure InvalidRequest with all wrong fields as `items` */
export function checkedRequest(request: unknown): BuildRequest {
  const parsed = BuildRequest.safeParse(request);
  if (parsed.success) return parsed.data;
  throw new SlipwayFailure('InvalidRequest', 'The request is wrong.', {
    items: problems(parsed.error, validKeysOf(BuildRequest)),
  });
}

function needed(client: Client | undefined): Client {
  if (client === undefined) throw new TemporalUnavailable('Temporal cannot be reached.');
  return client;
}

async function start(client: Client, input: BuildRequestInput): Promise<Omit<StartedBuild, 'webUrl'>> {
  const request = checkedRequest(input);
  const id = buildId(request);
  const starter = randomUUID();
  const handle = await client.workflow.start(BUILD_WORKFLOW, {
    args: [input],
    taskQueue: COMMON_QUEUE,
    workflowId: id,
    workflowIdConflictPolicy: 'USE_EXISTING',
    memo: { [STARTER_MEMO]: starter },
    staticSummary: `${packageName(request)} for ${request.architecture}`,
    staticDetails: detailsOf(request),
  });
  const run = handle.firstExecutionRunId;
  const { memo } = await client.workflow.getHandle(id, run).describe();
  return { id, run, joined: memo?.[STARTER_MEMO] !== starter };
}

/** What an operator reads in the Web UI of what was asked for. */
function detailsOf({ recipe, resources, vm }: BuildRequest): string {
  const { cpus, memoryMiB, diskMiB, swapMiB } = resources;
  return [
    ...Object.entries(recipe).map(([name, value]) => `${name}: \`${JSON.stringify(value).slice(0, 1000)}\``),
    `Guest: ${cpus} CPUs, ${memoryMiB} MiB memory, ${diskMiB} MiB disk, ${swapMiB} MiB swap`,
    `VM: ${vm.type ?? 'any type'}, isolation ${vm.isolation} or stronger`,
  ].join('\n\n');
}

async function wait(
  client: Client | undefined,
  store: Store,
  id: string,
  { run, signal }: OfRun,
): Promise<BuildResult> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      if (client !== undefined) {
        const ended = () => client.workflow.getHandle(id, run).result();
        return BuildResult.parse(await client.withAbortSignal(signal ?? new AbortController().signal, ended));
      }
      const result = await publishedResult(store, id, run);
      if (result !== undefined) return result;
      throw new TemporalUnavailable('Temporal cannot be reached, and the build has no result yet.');
    } catch (error) {
      signal?.throwIfAborted();
      const result = isNotFound(error) ? await publishedResult(store, id, run) : undefined;
      if (result !== undefined) return result;
      if (isNotFound(error)) throw unknownBuild(id, store.location);
      if (!isOutage(error)) throw endOf(error);
      await sleep(1000, undefined, { signal });
    }
  }
}

async function* log(
  client: Client | undefined,
  store: Store,
  id: string,
  options: LogOptions & OfRun,
): AsyncGenerator<Uint8Array> {
  const { run, resultDeleted } = await reportOf(client, store, id, options.run);
  let isDeleted = resultDeleted ?? false;
  const isOver = async () => {
    try {
      const { state, resultDeleted } = await reportOf(client, store, id, run);
      isDeleted = resultDeleted ?? false;
      options.onTemporal?.(true);
      return state !== 'running';
    } catch (error) {
      // The log is the store's: it goes on while Temporal is away.
      if (!isOutage(error)) throw error;
      options.onTemporal?.(false);
      return false;
    }
  };
  if (!isDeleted) yield* readLog(store, { id, run }, isOver, options);
  if (isDeleted) throw deletedResult(id, 'log', store.location);
}

async function cancel(
  client: Client,
  store: Store,
  id: string,
  { run, force = false }: OfRun & { force?: boolean },
): Promise<void> {
  // The server takes a request to cancel what has ended without a word.
  const report = await reportOf(client, store, id, run);
  if (report.state !== 'running') {
    throw new SlipwayFailure('InvalidRequest', `The build has ended already: ${report.state}.`, {
      advice: 'There is nothing to cancel.',
    });
  }
  const handle = client.workflow.getHandle(id, report.run);
  const asked = () => (force ? handle.terminate('cancelled by force') : handle.cancel());
  // Both may be said twice: who hears no answer in time says it again.
  await client.withDeadline<unknown>(Date.now() + CANCEL_MILLISECONDS, asked);
}

async function resultOf(
  client: Client | undefined,
  store: Store,
  id: string,
  run?: string,
): Promise<BuildResult> {
  const report = await reportOf(client, store, id, run);
  if (report.resultDeleted) throw deletedResult(id, 'result', store.location);
  if (report.result !== undefined) return report.result;
  throw new SlipwayFailure('InvalidRequest', `The build ${id} has no result: it is ${report.state}.`, {
    advice: report.state === 'running' ? 'Wait for its end (slipway logs -f).' : 'See slipway status.',
  });
}
