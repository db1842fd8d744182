import type { Command } from 'commander';
import type { BuildResult } from '../../schema/result.ts';
import { shortId } from '../../workflows/names.ts';
import type { StartedBuild } from '../client.ts';
import {
  addCompareOptions,
  COMPARE_HELP,
  type CompareOptions,
  collectDiffs,
} from '../compare/compare-options.ts';
import { compareResults } from '../compare/comparison.ts';
import { comparisonDocument, comparisonText, differenceText } from '../compare/comparison-text.ts';
import { mustHaveSucceeded, newestResult, renewLock } from '../compare/earlier-results.ts';
import { type CommandContext, configurationOf, openContext } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import { checkOutput } from '../output-folder.ts';
import {
  announce,
  deliver,
  farmEnd,
  localFarm,
  print,
  type RunOptions,
  summarize,
  watched,
} from '../running-build.ts';
import { Screen } from '../screen.ts';

interface RebuildOptions extends RunOptions, CompareOptions {
  compare?: boolean;
  detach?: boolean;
}

const HELP = `The request is that of the build, and so are the inputs: its lock is not resolved anew. Files that a mirror no
longer has must be in the cache of the host or kept in the store (store.keepInputs); else the build ends with
InputsGone. The rebuild has an id of its own, which a rebuild of the rebuild shares.

${COMPARE_HELP}`;

export function addRebuildCommand(program: Command): void {
  const command = program
    .command('rebuild')
    .summary('build again from the same inputs, and compare')
    .description('Builds again what a build was asked for, from the lock of its inputs.')
    .argument('<build>', 'a package (its newest build), package/digest, or 4 digits of the digest or more')
    .option('--compare', 'say whether the same comes out, and show what differs')
    .option('--local', 'bring a Temporal server (unless one is configured) and a worker for this one build')
    .option('--detach', 'start the build and return')
    .option(
      '--output <folder>',
      'where the results go (default: ./<package>_<version>; with --compare nowhere)',
    )
    .option('--json', 'print the result as JSON to standard output, all else to standard error')
    .addHelpText('after', `\n${HELP}`);
  addCompareOptions(command).action(async (text: string, options: RebuildOptions) => {
    process.exitCode = await rebuild(command, text, options);
  });
}

async function rebuild(command: Command, text: string, options: RebuildOptions): Promise<number> {
  checkOptions(options);
  const { compare = false, detach = false } = options;
  const configuration = await configurationOf(command);
  if (options.output !== undefined || !(detach || compare)) await checkOutput(options.output);
  const screen = new Screen(options.json ? process.stderr : process.stdout);
  await using farm = options.local ? await localFarm(configuration, screen) : undefined;
  const context = await openContext(configuration, 'temporal');
  const earlier = await newestResult(context, text, compare ? 'succeeded' : 'any');
  if (compare) mustHaveSucceeded(earlier);
  await renewLock(context.store, earlier);
  const request = { ...earlier.request, lock: earlier.lock };
  const started = await context.slipway.start(request);
  screen.line(`rebuild of ${shortId(earlier.build)}, run ${earlier.run.slice(0, 8)}, from its lock`);
  await announce(screen, context, request, started, farm);
  if (detach) {
    if (options.json) console.log(JSON.stringify({ ...started, rebuildOf: referenceTo(earlier) }));
    return EXIT.ok;
  }
  // Awaited here: what was brought for the build must not be stopped before its end.
  const end = watched(context, started, screen, options, (result) =>
    finish(context, { earlier, started, result }, screen, options),
  );
  return await Promise.race([end, farmEnd(farm)]);
}

/** @throws UsageError */
function checkOptions({ compare, detach, local }: RebuildOptions): void {
  if (detach && local) {
    throw new UsageError(
      '--local and --detach do not go together.',
      'Start slipway dev, then rebuild with --detach.',
    );
  }
  if (detach && compare) {
    throw new UsageError(
      '--compare and --detach do not go together.',
      'Compare when the rebuild is done: slipway compare <build> <rebuild>.',
    );
  }
}

function referenceTo({ build, run }: BuildResult): object {
  return { id: build, run };
}

interface Rebuilt {
  earlier: BuildResult;
  started: StartedBuild;
  result: BuildResult;
}

async function finish(
  context: CommandContext,
  { earlier, started, result }: Rebuilt,
  screen: Screen,
  options: RebuildOptions,
): Promise<number> {
  const { slipway, store } = context;
  const rebuildOf = referenceTo(earlier);
  if (!options.compare || result.outcome !== 'succeeded') {
    await deliver(slipway, started, result, screen, options, { rebuildOf });
    return result.outcome === 'succeeded' ? EXIT.ok : EXIT.buildFailed;
  }
  const comparison = await compareResults(store, earlier, result);
  const diffs = await collectDiffs(store, comparison, options, screen);
  const more = { rebuildOf, comparison: comparisonDocument(comparison, diffs) };
  if (options.output !== undefined) await deliver(slipway, started, result, screen, options, more);
  else {
    if (options.json) print({ ...started, state: result.outcome, result, ...more });
    summarize(screen, result, [], started);
  }
  for (const diff of diffs) screen.line(`\n${differenceText(diff, options.diffLines)}`);
  screen.line(`\n${comparisonText(comparison)}`);
  return comparison.isReproducible ? EXIT.ok : EXIT.notReproducible;
}
