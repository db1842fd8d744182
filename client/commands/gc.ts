import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { checkGcOptions, collectGarbage } from '../../retention/gc.ts';
import { collectCaches } from '../../retention/host-caches.ts';
import { inputsOfRuns, temporalBuilds } from '../../retention/open-builds.ts';
import type { Store } from '../../stores/store.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { hostText, plain, storeText } from '../collected.ts';
import { configurationOf, openContext, openStore } from '../context.ts';
import { UsageError } from '../exit-codes.ts';
import { TemporalUnavailable } from '../failures.ts';
import { bytes, paragraphs, seconds } from '../option-values.ts';
import { positive } from '../request-options.ts';

interface GcCommandOptions {
  olderThan?: number;
  keep?: number;
  keepLatestGood: boolean;
  grace?: number;
  liveLogs?: number;
  withoutTemporal?: boolean;
  host?: boolean;
  maxSize?: number;
  dryRun?: boolean;
  json?: boolean;
}

const DESCRIPTION = `Deletes results that are old or too many, and all that only they refer to: artifacts, logs, locks, sources, keyrings,
kept inputs; also logs of builds that ended without a result. A result goes only where every rule that is given lets it
go. The rules may stand in the configuration (retention), so that a timer needs to say no more than slipway gc; without
any rule it refuses. What an open build uses is never touched, nor what was put into the store within the grace, nor the
result of a build that ended within it.

With --host it cleans the caches of this host instead: downloads, package lists, unpacked kernels. What was used within
the last hour stays, whatever --max-size says.`;

const MORE = `
--without-temporal: Temporal is asked which builds are open, and what they use stays. Without it nobody knows: sources,
locks and results of builds that wait or run may be deleted under them, and those builds then fail. Say it only where no
build can be open, as when the farm is shut down for good.

Examples:
  slipway gc --older-than "90 d" --keep 5 --dry-run   # what would go
  slipway gc --older-than "90 d" --keep 5             # results older than 90 days, but the newest 5 of each package
  slipway gc --host --max-size "50 GiB"               # on each worker`;

export function addGcCommand(program: Command): void {
  const command = program
    .command('gc')
    .summary('delete old results, or what a host keeps')
    .description(paragraphs(DESCRIPTION))
    .option('--older-than <age>', 'results of builds that ended so long ago, for instance "90 d"', seconds)
    .option('--keep <n>', 'but the newest n of each package', positive)
    .option('--no-keep-latest-good', 'also the newest that succeeded (default: it stays in any case)')
    .option(
      '--grace <time>',
      'what was put into the store since then stays; at least "1 h" (default: 1 d)',
      seconds,
    )
    .option('--live-logs <age>', 'logs of builds without a result (default: 7 d)', seconds)
    .option('--without-temporal', 'do not ask which builds are open: see below')
    .option('--host', 'the caches of this host, and not the store')
    .option(
      '--max-size <size>',
      'with --host: room for all caches, for instance "50 GiB"; what was used within the last hour stays',
      bytes,
    )
    .option('--dry-run', 'only say what would go')
    .option('--json', 'as JSON')
    .addHelpText('after', MORE);
  command.action(async (options: GcCommandOptions) => {
    checkOptions(command, options);
    if (options.host) await host(command, options);
    else await store(command, options);
  });
}

function checkOptions(command: Command, options: GcCommandOptions): void {
  const given = (...names: string[]) => names.filter((name) => command.getOptionValueSource(name) === 'cli');
  const wrong = options.host
    ? given('keep', 'keepLatestGood', 'grace', 'liveLogs', 'withoutTemporal')
    : given('maxSize');
  if (wrong.length === 0) return;
  const flags = command.options
    .filter((option) => wrong.includes(option.attributeName()))
    .map(({ long }) => long);
  throw new UsageError(
    `${flags.join(', ')} ${options.host ? 'and --host do not go together' : 'needs --host'}.`,
    'The store and the caches of a host are cleaned one at a time: see slipway gc --help.',
  );
}

async function store(command: Command, options: GcCommandOptions): Promise<void> {
  const configuration = await configurationOf(command);
  const { retention } = configuration;
  const isSaid = command.getOptionValueSource('keepLatestGood') === 'cli';
  const what = {
    rules: {
      olderThanSeconds: options.olderThan ?? retention.olderThan,
      keep: options.keep ?? retention.keep,
      keepLatestGood: isSaid ? options.keepLatestGood : retention.keepLatestGood,
    },
    graceSeconds: options.grace ?? retention.grace,
    liveLogSeconds: options.liveLogs ?? retention.liveLogs,
    dryRun: options.dryRun ?? false,
  };
  checkGcOptions(what);
  const collected = await collectGarbage({
    ...what,
    ...(options.withoutTemporal ? await storeAlone(configuration) : await storeAndBuilds(configuration)),
  });
  console.log(options.json ? JSON.stringify(plain(collected), null, 2) : storeText(collected));
}

type Sources = Pick<Parameters<typeof collectGarbage>[0], 'store' | 'builds'>;

async function storeAlone(configuration: Configuration): Promise<Sources> {
  console.error('Without Temporal: what open builds use is not spared.');
  return { store: await openStore(configuration), builds: undefined };
}

/** @throws TemporalUnavailable where it does not answer: it alone knows which builds are open */
async function storeAndBuilds(configuration: Configuration): Promise<Sources> {
  try {
    const { store, client } = await withTemporal(configuration);
    return { store, builds: temporalBuilds(client) };
  } catch (error) {
    if (!(error instanceof TemporalUnavailable)) throw error;
    const advice = error.advice ?? 'Set TEMPORAL_ADDRESS to the one that your workers use.';
    throw new TemporalUnavailable(
      `${error.message} It alone knows which builds are open.`,
      `${advice} Where no build can be open: see --without-temporal in slipway gc --help.`,
    );
  }
}

async function withTemporal(configuration: Configuration): Promise<{ store: Store; client: Client }> {
  const { store, client } = await openContext(configuration, 'temporal');
  if (client === undefined) throw new TemporalUnavailable('Temporal cannot be reached.');
  return { store, client };
}

async function host(command: Command, options: GcCommandOptions): Promise<void> {
  const configuration = await configurationOf(command);
  const { cache } = configuration.retention;
  const maxBytes = options.maxSize ?? (cache.size === undefined ? undefined : cache.size * 1024 ** 2);
  const collected = await collectCaches({
    directories: configuration.directories,
    rules: { olderThanSeconds: options.olderThan ?? cache.olderThan, maxBytes },
    // Only where a build runs here.
    inputsOf: async (leases) => {
      const { client, store } = await withTemporal(configuration);
      return inputsOfRuns(client, store, leases);
    },
    dryRun: options.dryRun ?? false,
  });
  console.log(options.json ? JSON.stringify(collected, null, 2) : hostText(collected, maxBytes));
}
