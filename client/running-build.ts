import { relative } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { packageName } from '../schema/build-id.ts';
import { type FailureDetails, SlipwayFailure } from '../schema/failures.ts';
import { type BuildRequest, ISOLATION_OF, satisfies, type VmType } from '../schema/request.ts';
import type { BuildResult } from '../schema/result.ts';
import type { Configuration } from '../workers/configuration.ts';
import { shortId } from '../workflows/names.ts';
import type { SlipwayClient, StartedBuild } from './client.ts';
import type { CommandContext } from './context.ts';
import { estimateFor, lastTime } from './estimate.ts';
import { EXIT } from './exit-codes.ts';
import { explainFailure } from './explain.ts';
import { BuildCancelled, NotFetched } from './failures.ts';
import type { FetchedArtifact } from './fetch-artifacts.ts';
import { Detached, onInterrupt } from './interrupt.ts';
import type { LocalFarm } from './local-farm.ts';
import { defaultOutput } from './output-folder.ts';
import { duration, printable } from './printable.ts';
import type { BuildState } from './report.ts';
import type { Screen } from './screen.ts';
import { watchBuild } from './watch.ts';

/** What `build` and `rebuild` do with a build that they have started. */
export interface RunOptions {
  local?: boolean;
  output?: string;
  json?: boolean;
}

/** A worker is much code, and only this needs it. */
export async function localFarm(configuration: Configuration, screen: Screen): Promise<LocalFarm> {
  const { startLocalFarm } = await import('./local-farm.ts');
  return startLocalFarm(configuration, (line) => screen.line(line));
}

/** Rejects where the server or worker that was brought ends under the build. */
export async function farmEnd(farm: LocalFarm | undefined): Promise<never> {
  await farm?.ended;
  return new Promise<never>(() => undefined);
}

export async function announce(
  screen: Screen,
  { store }: CommandContext,
  request: BuildRequest,
  started: StartedBuild,
  farm: LocalFarm | undefined,
): Promise<void> {
  screen.line(`${started.joined ? 'joined the running build' : 'build'} ${started.id}`);
  if (started.webUrl !== undefined) screen.line(`web ui ${started.webUrl}`);
  const known = await lastTime(store, packageName(request));
  const expected =
    known ?? estimateFor(request.vm.type ?? farm?.vmTypes.find((type) => isAllowed(type, request)));
  screen.line(`expect ${expected}`);
}

/** An emulator's isolation is its operator's word, which the claim looks at. */
function isAllowed(type: VmType, { vm }: BuildRequest): boolean {
  return type === 'emulator' || satisfies(ISOLATION_OF[type], vm.isolation);
}

/**
 * Shows a build until it ends, and then does with its result what is to be done; Ctrl-C is looked after meanwhile.
 * @returns what `done` returns, or the exit code of who stopped to watch
 */
export async function watched(
  context: CommandContext,
  started: StartedBuild,
  screen: Screen,
  options: RunOptions,
  done: (result: BuildResult) => Promise<number>,
): Promise<number> {
  const { slipway } = context;
  const { address } = context.temporal;
  const isInteractive = screen.isTerminal && process.stdin.isTTY === true;
  using interrupts = onInterrupt(slipway, started, screen, isInteractive, address);
  try {
    const watching = watchBuild(slipway, started, screen, interrupts.signal, {
      address,
      isLocal: options.local ?? false,
    });
    const result = await watching.catch((error: unknown) => {
      if (options.json) printEnd(started, error);
      throw error;
    });
    return await done(result);
  } catch (error) {
    if (!(error instanceof Detached)) throw error;
    screen.line(
      options.local
        ? 'detached; the worker that was brought for the build ends: it goes on with slipway dev'
        : `detached; the build goes on. See: slipway logs -f ${shortId(started.id)}`,
    );
    return EXIT.detached;
  }
}

/**
 * Fetches what came out and says so; with `--json` as a document, with `more` in it.
 * @throws NotFetched where it cannot be written: the build itself is done
 */
export async function deliver(
  slipway: SlipwayClient,
  started: StartedBuild,
  result: BuildResult,
  screen: Screen,
  options: RunOptions,
  more: object = {},
): Promise<void> {
  const ended = { ...started, state: result.outcome, result };
  const files = await fetched(slipway, started, result, options.output).catch((error: unknown) => {
    if (options.json) print({ ...ended, ...more });
    throw error;
  });
  if (options.json) print({ ...ended, files, ...more });
  summarize(screen, result, files, started);
}

/** Writes what came out, log last. @throws NotFetched where that fails: the build itself is done */
async function fetched(
  slipway: SlipwayClient,
  { id, run }: StartedBuild,
  result: BuildResult,
  output: string | undefined,
): Promise<FetchedArtifact[]> {
  try {
    const folder = output ?? (await defaultOutput(result.package));
    const files = await slipway.fetchArtifacts(id, folder, undefined, { run });
    return [...files, await slipway.fetchLog(id, folder, { run })];
  } catch (error) {
    throw new NotFetched(id, result.outcome, error);
  }
}

/** What `--json` prints of a build that was watched. */
export interface EndedBuild extends StartedBuild {
  state: BuildState;
  result?: BuildResult;
  /** Of a build without a result; that of a package that failed to build is in its result. */
  failure?: FailureDetails;
  files?: FetchedArtifact[];
}

/** What a service branches on where there is no result; an error that says nothing of the build goes without. */
function printEnd(started: StartedBuild, error: unknown): void {
  if (error instanceof SlipwayFailure) print({ ...started, state: 'failed', failure: error.details() });
  else if (error instanceof BuildCancelled) print({ ...started, state: 'cancelled' });
  else if (error instanceof Detached) print({ ...started, state: 'running' });
}

export function print(document: EndedBuild): void {
  console.log(JSON.stringify(document, null, 2));
}

export function summarize(
  screen: Screen,
  result: BuildResult,
  files: readonly FetchedArtifact[],
  started: StartedBuild,
): void {
  const { name, version } = result.package;
  const took = duration(result.statistics.totalSeconds);
  screen.line('');
  screen.line(`${name} ${version}: ${result.outcome} after ${took} on ${result.host} (${result.vm.type})`);
  for (const { file, kind, size, sha256 } of files) {
    const path = printable(
      relative(process.cwd(), file).startsWith('..') ? file : relative(process.cwd(), file),
    );
    if (kind === 'file')
      screen.line(`  ${path}\n    ${prettyBytes(size, { binary: true })} (${size} bytes), SHA-256 ${sha256}`);
  }
  if (started.webUrl !== undefined) screen.line(`web ui ${started.webUrl}`);
  if (result.failure !== undefined) screen.line(`\n${explainFailure(result.failure)}`);
}
