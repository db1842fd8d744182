import { resolve } from 'node:path';
import type { Command } from 'commander';
import { chooseResults, latestResults } from '../../publishing/choose-results.ts';
import { type PublishOptions, publish } from '../../publishing/publish.ts';
import type { BuildResult } from '../../schema/result.ts';
import type { Store } from '../../stores/store.ts';
import { configurationOf, openStore } from '../context.ts';
import { UsageError } from '../exit-codes.ts';
import { collect, paragraphs, seconds } from '../option-values.ts';
import { publishedText } from '../published-text.ts';
import { positive } from '../request-options.ts';

interface PublishCommandOptions {
  into: string;
  allLatest?: boolean;
  refresh?: boolean;
  suite?: string;
  component?: string;
  architecture?: string[];
  key?: string;
  passphraseFile?: string;
  replaceKey?: boolean;
  unsigned?: boolean;
  origin?: string;
  label?: string;
  validFor?: number;
  keep?: number;
  json?: boolean;
}

const DESCRIPTION = `Puts the packages of builds that succeeded into a signed apt repository: a folder that any web
server can serve, and that apt and further builds can use. What is in it stays; newer versions come beside older ones.
Readers see a suite as it was until all is there, so that it can be served while it changes. The same version of a
package with other content is refused. Source packages come along where the build put them out (--parts source).

The suites in dists/ are symlinks into .slipway/ in the same folder: a web server must follow symlinks, and a copy must
keep them and take the folder .slipway along (rsync -a does). A copy that changes while it is served: pool/ and
.slipway/ first, dists/ last.`;

const EXAMPLES = `
Examples:
  slipway publish hello --into /srv/apt --key 0123456789ABCDEF0123456789ABCDEF01234567
  slipway publish --all-latest --into /srv/apt --suite nightly --keep 3 --key signing-key.asc
  slipway publish --refresh --into /srv/apt --valid-for "7 d" --key signing-key.asc

apt then reads it with a file in /etc/apt/sources.list.d:
  Types: deb deb-src
  URIs: https://example.org/apt
  Suites: stable
  Components: main
  Signed-By: /usr/share/keyrings/example.gpg     (a copy of keyring.gpg in the folder)
and the next build with it beside Debian, since --repository replaces what is configured; the n-th --keyring is that of
the n-th --repository:
  slipway build … --repository "https://example.org/apt stable main" --keyring keyring.gpg \\
    --repository "https://mirror.example.org/debian bookworm main" --keyring /usr/share/keyrings/debian-archive-keyring.gpg`;

export function addPublishCommand(program: Command): void {
  const command = program
    .command('publish')
    .summary('an apt repository out of results')
    .description(paragraphs(DESCRIPTION))
    .argument(
      '[builds...]',
      'a package (its newest good build), package/digest, 4 digits of the digest or more',
    )
    .requiredOption(
      '--into <folder>',
      'the repository; a new one is made of a folder that is empty, or missing in one that is there',
    )
    .option('--all-latest', 'the newest good build of every package')
    .option('--refresh', 'no builds: write and sign all suites, or --suite, anew, with new dates')
    .option('--suite <word>', 'suite to add to (default: stable)')
    .option('--component <word>', 'component to add to (default: main)')
    .option(
      '--architecture <word>',
      'one more architecture that the suite is for, as Debian names it; repeatable',
      collect,
    )
    .option(
      '--keep <n>',
      'only the newest n versions of each package stay in the component; the files of others leave the pool at a publish a day or more later',
      positive,
    )
    .optionsGroup('Signature:')
    .option('--key <key>', 'fingerprint of a key of gpg, or a file with a secret key')
    .option('--passphrase-file <file>', 'file with the passphrase of the key')
    .option('--replace-key', 'sign all suites with another key than before')
    .option('--unsigned', 'do not sign: apt refuses such a repository unless it is told to trust it')
    .optionsGroup('Release file:')
    .option('--origin <text>', 'Origin (default: as before; slipway)')
    .option('--label <text>', 'Label (default: as before; the origin)')
    .option(
      '--valid-for <time>',
      'apt refuses it after this time, for instance "7 d" (default: as before; never)',
      seconds,
    )
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', EXAMPLES);
  command.action(async (builds: string[], options: PublishCommandOptions) => {
    check(builds, options);
    const store = await openStore(await configurationOf(command));
    const results = await chosen(store, builds, options);
    const published = await publish({ ...publishOptions(options), store, results });
    console.log(options.json ? JSON.stringify(published, null, 2) : publishedText(published));
  });
}

/** What the options mean to `publish`. */
function publishOptions(options: PublishCommandOptions): Omit<PublishOptions, 'store' | 'results'> {
  const { into, suite, component, architecture = [], keep, ...others } = options;
  const { key, passphraseFile, replaceKey = false, origin, label, validFor, ...more } = others;
  // Those that others look at. One that is forgotten here does nothing: the types refuse it.
  const { allLatest = false, refresh: _, unsigned: __, json: ___, ...forgotten } = more;
  forgotten satisfies Record<string, never>;
  return {
    into: resolve(into),
    skipEmpty: allLatest,
    suite,
    component,
    architectures: architecture,
    keep,
    key: key === undefined ? undefined : { key, ...(passphraseFile === undefined ? {} : { passphraseFile }) },
    replaceKey,
    origin,
    label,
    validSeconds: validFor,
  };
}

function check(builds: readonly string[], options: PublishCommandOptions): void {
  const {
    allLatest = false,
    refresh = false,
    key,
    unsigned = false,
    component,
    keep,
    architecture,
  } = options;
  if ([builds.length > 0, allLatest, refresh].filter(Boolean).length !== 1) {
    throw new UsageError(
      builds.length === 0 && !allLatest && !refresh
        ? 'It is not said what to publish.'
        : 'Builds, --all-latest and --refresh do not go together.',
      'Name builds (slipway status lists them), or say --all-latest, or --refresh.',
    );
  }
  const needless = { component, keep, architecture };
  const [other] = Object.entries(needless).find(([, value]) => value !== undefined) ?? [];
  if (refresh && other !== undefined) {
    throw new UsageError(
      `--refresh and --${other} do not go together.`,
      '--refresh changes no packages. Say it alone, or name builds in its place.',
    );
  }
  if ((key === undefined) !== unsigned) {
    throw new UsageError(
      unsigned
        ? '--key and --unsigned do not go together.'
        : 'It is not said which key signs the repository.',
      'Say --key <fingerprint or file>; gpg --quick-generate-key makes one. Or say --unsigned.',
    );
  }
}

async function chosen(
  store: Store,
  builds: readonly string[],
  { refresh, allLatest }: PublishCommandOptions,
): Promise<BuildResult[]> {
  if (refresh) return [];
  return allLatest ? latestResults(store) : chooseResults(store, builds);
}
