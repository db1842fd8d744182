import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ignoreMissing, writeFileAtomic } from '../host/atomic-file.ts';
import { type RunOptions, run } from '../host/run.ts';
import type { Proxies } from './proxies.ts';

/**
 * An apt that knows nothing of the machine but its proxies: sources, lists, status, preferences and caches of its own.
 * The machine's configuration is not read at all, since it may well switch off what we rely on (`Check-Valid-Until`,
 * for instance).
 */
export interface AptRoot {
  readonly directory: string;
  /** Runs a command of apt in it. */
  run(argv: readonly [string, ...string[]], options?: RunOptions): ReturnType<typeof run>;
}

export interface AptRootOptions {
  /** Absolute; made where it is missing. */
  directory: string;
  architecture: string;
  /** Other architectures whose packages are known too, for cross builds. */
  foreign?: readonly string[];
  proxies: Proxies;
  /** Text of its sources file, deb822; absent: the folder has one or needs none. */
  sources?: string;
  /** Text of its preferences, as apt_preferences(5) has it. Default: none. */
  preferences?: string;
  /** Text of its dpkg status. Default: nothing is installed. */
  status?: string;
}

/** apt's own folder of the machine: only the keyrings that it trusts are taken from it. */
const MACHINE = '/etc/apt';

/** Writes what is not there or differs; the status is always written, which says when the root was last used. */
export async function createAptRoot(options: AptRootOptions): Promise<AptRoot> {
  const { directory, sources = '', preferences = '', status = '' } = options;
  for (const folder of [
    'etc/sources.list.d',
    'etc/preferences.d',
    'lists/partial',
    'cache/archives/partial',
  ]) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  await keepFile(join(directory, 'etc/sources.list.d/slipway.sources'), sources);
  await keepFile(join(directory, 'etc/preferences.d/slipway'), preferences);
  await writeFile(join(directory, 'status'), status);
  await keepFile(join(directory, 'apt.conf'), await aptConfiguration(options));
  return openAptRoot(directory, options.proxies);
}

/** A root that is there, without writing anything into it. `configuration`: default its own. */
export function openAptRoot(
  directory: string,
  proxies: Proxies,
  configuration: string = join(directory, 'apt.conf'),
): AptRoot {
  return {
    directory,
    run: (argv, settings = {}) =>
      run(argv, {
        ...settings,
        cwd: settings.cwd ?? directory,
        env: {
          ...proxies.environment,
          ...settings.env,
          APT_CONFIG: configuration,
          // Else the host's own choice of build profiles would select the dependencies.
          DEB_BUILD_PROFILES: '',
        },
      }),
  };
}

/**
 * The same root with preferences: for one request, without a trace in the root that others use.
 * @param folder absolute; theirs alone, made where it is missing
 */
export async function withPreferences(
  { directory }: AptRoot,
  proxies: Proxies,
  preferences: string,
  folder: string,
): Promise<AptRoot> {
  await mkdir(join(folder, 'preferences.d'), { recursive: true });
  await keepFile(join(folder, 'preferences.d/slipway'), preferences);
  const configuration = join(folder, 'apt.conf');
  const settings = [
    `#include "${join(directory, 'apt.conf')}";`,
    `Dir::Etc::preferencesparts "${join(folder, 'preferences.d')}";`,
  ];
  await keepFile(configuration, `${settings.join('\n')}\n`);
  return openAptRoot(directory, proxies, configuration);
}

/** Writes a file unless it is so already: what did not change need not wait for the disk. */
async function keepFile(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(ignoreMissing)) !== text) await writeFileAtomic(path, text);
}

/** Text of apt.conf. */
export async function aptConfiguration({
  directory,
  architecture,
  foreign = [],
  proxies,
}: AptRootOptions): Promise<string> {
  const settings: [name: string, value: string][] = [
    ['Dir', directory],
    ['Dir::Etc', join(directory, 'etc')],
    ['Dir::Etc::main', '/dev/null'],
    ['Dir::Etc::parts', '/dev/null'],
    ['Dir::Etc::sourcelist', '/dev/null'],
    ['Dir::Etc::sourceparts', join(directory, 'etc/sources.list.d')],
    ['Dir::Etc::preferences', '/dev/null'],
    ['Dir::Etc::preferencesparts', join(directory, 'etc/preferences.d')],
    ['Dir::Etc::netrc', '/dev/null'],
    ['Dir::Etc::netrcparts', '/dev/null'],
    ['Dir::Etc::trusted', join(MACHINE, 'trusted.gpg')],
    ['Dir::Etc::trustedparts', join(MACHINE, 'trusted.gpg.d')],
    ['Dir::State', directory],
    ['Dir::State::lists', join(directory, 'lists')],
    ['Dir::State::status', join(directory, 'status')],
    ['Dir::State::extended_states', join(directory, 'extended_states')],
    ['Dir::Cache', join(directory, 'cache')],
    ['Dir::Log', join(directory, 'log')],
    ['APT::Architecture', architecture],
    ...[architecture, ...foreign].map((name): [string, string] => ['APT::Architectures::', name]),
    ['APT::Install-Recommends', 'false'],
    ['APT::Install-Suggests', 'false'],
    ['APT::Sandbox::User', await sandboxUser(directory)],
    ['Acquire::Languages', 'none'],
    ['Acquire::Check-Date', 'true'],
    ['Acquire::Check-Valid-Until', 'true'],
    ['Acquire::AllowInsecureRepositories', 'false'],
    ['Acquire::AllowWeakRepositories', 'false'],
    ['Acquire::AllowDowngradeToInsecureRepositories', 'false'],
    // What --print-uris prints: without it MD5 where an index has it.
    ['Acquire::ForceHash', 'SHA256'],
    // What is asked for is a URI and a suite, and who signs it. A release that becomes the old one, as each does some
    // day, would stop those alone who have seen it before.
    ['Acquire::AllowReleaseInfoChange', 'true'],
    // Any repository that cannot be read is an error, not a warning with old lists.
    ['APT::Update::Error-Mode', 'any'],
  ];
  // What a build has anyway is a matter of the recipe, not of apt.
  const cleared = '#clear APT::Build-Essential;';
  return [cleared, ...settings.map(([name, value]) => `${name} "${value}";`), ...proxies.apt, ''].join('\n');
}

/**
 * apt's download methods give up root for `_apt`, who must then reach our folder: where a folder above it is closed to
 * others (a checkout in a home folder) they stay root.
 */
async function sandboxUser(directory: string): Promise<'_apt' | 'root'> {
  for (let folder = directory; ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return 'root';
    if (folder === dirname(folder)) return '_apt';
  }
}
