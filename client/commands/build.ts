import { relative } from 'node:path';
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { packageName } from '../../schema/build-id.ts';
import { type FailureDetails, SlipwayFailure } from '../../schema/failures.ts';
import { type BuildRequest, ISOLATION_OF, satisfies, type VmType } from '../../schema/request.ts';
import type { BuildResult } from '../../schema/result.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { shortId } from '../../workflows/names.ts';
import { checkedRequest, type SlipwayClient, type StartedBuild } from '../client.ts';
import { type CommandContext, configurationOf, openContext, openStore } from '../context.ts';
import { estimateFor, lastTime } from '../estimate.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import { explainFailure } from '../explain.ts';
import { BuildCancelled, NotFetched } from '../failures.ts';
import type { FetchedArtifact } from '../fetch-artifacts.ts';
import { Detached, onInterrupt } from '../interrupt.ts';
import type { LocalFarm } from '../local-farm.ts';
import { checkOutput, defaultOutput } from '../output-folder.ts';
import { duration, printable } from '../printable.ts';
import { kindOf } from '../recipe-kind.ts';
import type { BuildState } from '../report.ts';
import { addRequestOptions, type RequestOptions, requestFrom } from '../request-options.ts';
import { Screen } from '../screen.ts';
import { uploadsOf } from '../uploads.ts';
import { watchBuild } from '../watch.ts';

interface BuildOptions extends RequestOptions {
  local?: boolean;
  detach?: boolean;
  output?: string;
  json?: boolean;
}

const SOURCES = `SOURCE is one of
  hello, hello=2.10-3            a source package of the repositories
  https://…/hello_2.10-3.dsc     a source package anywhere
  ./hello_2.10-3.dsc             a local one; it and its files go into the store
  . or ./folder                  a Debian source tree, or a folder with exactly one .dsc

A script is built in its place with --script, in a folder of the sources that --source names:
  slipway build --script build.sh --source foo-1.tar.gz --package gcc --collect out --name foo

Ctrl-C asks whether to cancel, detach or go on; a second one detaches. Without a terminal
SIGINT and SIGTERM cancel the build, wait for its clean-up, and detach when they come again.`;

export function addBuildCommand(program: Command): void {
  const command = program
    .command('build')
    .summary('build a package and fetch what comes out')
    .description(`Builds a package from scratch in a throwaway VM.\n\n${SOURCES}`)
    .argument('[source]', 'what to build')
    .option('--local', 'bring a Temporal server (unless one is configured) and a worker for this one build')
    .option('--detach', 'start the build and return')
    .option('--output <folder>', 'where the results go (default: ./<package>_<version>)')
    .option('--json', 'print the result as JSON to standard output, all else to standard error');
  addRequestOptions(command).action(async (source: string | undefined, options: BuildOptions) => {
    process.exitCode = await build(command, source, options);
  });
}

async function build(command: Command, source: string | undefined, options: BuildOptions): Promise<number> {
  if (options.local && options.detach) {
    throw new UsageError(
      '--local and --detach do not go together.',
      'Start slipway dev, then build with --detach.',
    );
  }
  const configuration = await configurationOf(command);
  if (options.output !== undefined || !options.detach) await checkOutput(options.output);
  await kindOf(options, source);
  const store = await openStore(configuration);
  const request = checkedRequest(await requestFrom(options, await uploadsOf(source, options, store)));
  const screen = new Screen(options.json ? process.stderr : process.stdout);
  await using farm = options.local ? await localFarm(configuration, screen) : undefined;
  const context = await openContext(configuration, 'temporal');
  const started = await context.slipway.start(request);
  await announce(screen, context, request, started, farm);
  if (!options.detach) {
    // Awaited here: what was brought for the build must not be stopped before its end.
    return await Promise.race([watched(context, started, screen, options), farmEnd(farm)]);
  }
  if (options.json) console.log(JSON.stringify(started));
  return EXIT.ok;
}

/** A worker is much code, and only this needs it. */
async function localFarm(configuration: Configuration, screen: Screen): Promise<LocalFarm> {
  const { startLocalFarm } = await import('../local-farm.ts');
  return startLocalFarm(configuration, (line) => screen.line(line));
}

/** Rejects where the server or worker that was brought ends under the build. */
async function farmEnd(farm: LocalFarm | undefined): Promise<never> {
  await farm?.ended;
  return new Promise<never>(() => undefined);
}

async function announce(
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

async function watched(
  context: CommandContext,
  started: StartedBuild,
  screen: Screen,
  options: BuildOptions,
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
    const files = await fetched(slipway, started, result, options.output).catch((error: unknown) => {
      if (options.json) print({ ...started, state: result.outcome, result });
      throw error;
    });
    if (options.json) print({ ...started, state: result.outcome, result, files });
    summarize(screen, result, files, started);
    return result.outcome === 'succeeded' ? EXIT.ok : EXIT.buildFailed;
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
interface EndedBuild extends StartedBuild {
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

function print(document: EndedBuild): void {
  console.log(JSON.stringify(document, null, 2));
}

function summarize(
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
