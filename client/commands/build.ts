import type { Command } from 'commander';
import { checkedRequest } from '../client.ts';
import { configurationOf, openContext, openStore } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import { checkOutput } from '../output-folder.ts';
import { kindOf } from '../recipe-kind.ts';
import { addRequestOptions, type RequestOptions, requestFrom } from '../request-options.ts';
import { announce, deliver, farmEnd, localFarm, type RunOptions, watched } from '../running-build.ts';
import { Screen } from '../screen.ts';
import { uploadsOf } from '../uploads.ts';

interface BuildOptions extends RequestOptions, RunOptions {
  detach?: boolean;
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
    const end = watched(context, started, screen, options, async (result) => {
      await deliver(context.slipway, started, result, screen, options);
      return result.outcome === 'succeeded' ? EXIT.ok : EXIT.buildFailed;
    });
    return await Promise.race([end, farmEnd(farm)]);
  }
  if (options.json) console.log(JSON.stringify(started));
  return EXIT.ok;
}
