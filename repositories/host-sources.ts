import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { allEnded } from '../host/all-ended.ts';
import { withFileLock } from '../host/file-lock.ts';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { type AptRepository, aptSources, describeRepositories } from './apt-repository.ts';
import { type AptRoot, createAptRoot } from './apt-root.ts';
import { rejectedRepositories, updateFailure, WITH_US } from './apt-update.ts';
import { updateKept } from './kept-lists.ts';
import { type Proxies, readProxies } from './proxies.ts';
import { type IndexTarget, indexTargets, releaseField, releaseFiles } from './releases.ts';

export interface HostSourcesOptions {
  /** Absolute folder for the Release files; made where it is missing. */
  directory: string;
  signal?: AbortSignal;
  /** apt's folder of the machine. Default `/etc/apt`. */
  etc?: string;
  /** Default `/etc/os-release`. */
  osRelease?: string;
  /** Folder of the distribution's keyrings. Default `/usr/share/keyrings`. */
  keyrings?: string;
  /** Default: read from this machine. */
  proxies?: Proxies;
  /** Called when it is its turn, before it looks at anything. */
  begin?: () => void;
}

/** Suites beside the release itself that belong to it; backports and proposed updates do not. */
const PARTS = ['', '-updates', '-security'];

/** Of the Release files, in the folder of the options. */
const FOLDER = 'machine';

/** Seconds that one look may wait for another. */
const LOCK_SECONDS = 120;

/** Only Release files are of interest here. */
const NO_INDEXES = ['Packages', 'Sources'].flatMap((name) => [
  '-o',
  `Acquire::IndexTargets::${name === 'Packages' ? 'deb' : 'deb-src'}::${name}::DefaultEnabled=false`,
]);

/**
 * The repositories of the machine's own distribution and release among its apt sources, whatever their format (apt
 * parses them), whether or not `apt-get update` ever ran here, and be they `deb` only: source packages come with them.
 *
 * Which of them are the distribution's is not a matter of names (others use the same suite names, and anybody can write
 * `Origin: Debian`): a repository is, if its Release file is signed by the distribution's archive keyring
 * (`<keyrings>/<ID>-archive-keyring.gpg`, from the package of that name) and its Codename is VERSION_CODENAME or the
 * updates or security part of it. Third parties fail the first test, other releases and backports the second.
 *
 * @throws SlipwayFailure HostUnfit where there is none, with what to write into the configuration; DownloadFailed,
 *   InputRejected (expired)
 */
export async function hostRepositories(options: HostSourcesOptions): Promise<AptRepository[]> {
  const folder = join(options.directory, FOLDER);
  await mkdir(folder, { recursive: true });
  const look = async () => {
    options.begin?.();
    return await lookAtSources(folder, options);
  };
  return await withFileLock(join(folder, 'lock'), LOCK_SECONDS, look, options.signal);
}

async function lookAtSources(folder: string, options: HostSourcesOptions): Promise<AptRepository[]> {
  const { id, codename } = await release(options.osRelease ?? '/etc/os-release');
  const keyring = await archiveKeyring(options.keyrings ?? '/usr/share/keyrings', id, codename);
  const { etc = '/etc/apt', signal } = options;
  const candidates = group(await machineTargets(etc, join(folder, 'none'), signal), keyring);
  const found = candidates.length === 0 ? [] : await genuine(candidates, codename, folder, options);
  if (found.length === 0) {
    throw none(
      id,
      codename,
      `none of them is signed by ${keyring}: ${describeRepositories(candidates) || '(none)'}`,
    );
  }
  return found;
}

async function release(path: string): Promise<{ id: string; codename: string }> {
  const text = await readFile(path, 'utf8');
  const value = (name: string) => new RegExp(`^${name}=["']?([a-z0-9._-]+)["']?$`, 'm').exec(text)?.[1] ?? '';
  return { id: value('ID'), codename: value('VERSION_CODENAME') };
}

async function archiveKeyring(folder: string, id: string, codename: string): Promise<string> {
  for (const ending of ['gpg', 'pgp']) {
    const path = join(folder, `${id}-archive-keyring.${ending}`);
    if (await exists(path)) return path;
  }
  throw none(id, codename, `the keyring ${join(folder, `${id}-archive-keyring.gpg`)} is missing`);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/**
 * What apt makes of the machine's sources, without asking for any Release file; and without the machine's lists, of which
 * apt would build its cache first.
 * @param none absolute; a folder without anything in it, made where it is missing
 */
async function machineTargets(
  etc: string,
  none: string,
  signal: AbortSignal | undefined,
): Promise<IndexTarget[]> {
  await mkdir(none, { recursive: true });
  const settings = [`Dir::Etc=${etc}`, `Dir::State::lists=${none}`, 'Dir::State::status=/dev/null'];
  const options = settings.flatMap((setting) => ['-o', setting]);
  const machine: Pick<AptRoot, 'run'> = { run: (argv, more) => run([...argv, ...options], more) };
  return await indexTargets(machine, signal, ['--no-release-info']);
}

/** One repository for each URI and suite; those that cannot be fetched over the network or have no suite are left out. */
function group(targets: readonly IndexTarget[], keyring: string): AptRepository[] {
  const found = new Map<string, { uri: string; suite: string; components: Set<string> }>();
  for (const { uri, suite, component } of targets) {
    if (!/^(https?|file):/.test(uri) || suite.endsWith('/') || component === '') continue;
    const known = found.get(`${uri} ${suite}`) ?? { uri, suite, components: new Set<string>() };
    known.components.add(component);
    found.set(`${uri} ${suite}`, known);
  }
  return [...found.values()].map(({ uri, suite, components }) => ({
    uris: [uri],
    suites: [suite],
    components: [...components],
    signedBy: keyring,
  }));
}

/** Those whose Release files apt accepts with that keyring alone, and that are of this release. */
async function genuine(
  candidates: readonly AptRepository[],
  codename: string,
  folder: string,
  { signal, ...options }: HostSourcesOptions,
): Promise<AptRepository[]> {
  const entries = candidates.map((each) => ({ ...each, keyrings: [each.signedBy ?? ''] }));
  const [{ stdout: architecture }, proxies] = await allEnded([
    run(['dpkg', '--print-architecture']),
    options.proxies === undefined ? readProxies() : Promise.resolve(options.proxies),
  ]);
  const root = await createAptRoot({
    ...{ directory: folder, architecture: architecture.trim(), proxies },
    sources: aptSources(entries),
  });
  const { result: strangers } = await updateKept(folder, () => readReleases(root, signal));
  const accepted = await releaseFiles(root, await indexTargets(root, signal, ['--no-release-info']));
  const codenames = PARTS.map((part) => codename + part);
  return candidates.filter(({ uris: [uri], suites: [suite] }) => {
    const of = accepted.find(({ target }) => target.uri === uri && target.suite === suite);
    // Of one that it rejects apt keeps what it had accepted before; its messages have no `/` at the end of the URI.
    const names = [uri, uri?.replace(/\/+$/, '')].map((each) => `${each} ${suite}:`);
    const isStranger = strangers.some((line) => names.some((name) => line.startsWith(name)));
    if (of === undefined || isStranger) return false;
    return codenames.includes(releaseField(of.bytes, 'Codename'));
  });
}

/** Fetches the Release files; returns a line for each repository that the keyring did not sign. */
async function readReleases(root: AptRoot, signal: AbortSignal | undefined): Promise<string[]> {
  try {
    const argv = [...WITH_US, 'apt-get', 'update', '-q', ...NO_INDEXES] as const;
    await root.run(argv, signal === undefined ? {} : { signal });
    return [];
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const rejected = rejectedRepositories(error.stderr);
    const signature = rejected.filter((line) => /NO_PUBKEY|is not signed|Release file/.test(line));
    if (rejected.length === 0 || signature.length < rejected.length) throw updateFailure(error);
    return signature;
  }
}

function none(id: string, codename: string, why: string): SlipwayFailure {
  return new SlipwayFailure(
    'HostUnfit',
    `the apt sources of this machine have no repository of ${id || 'its distribution'} ${codename}: ${why}`,
    {
      advice: [
        'Write the repositories into the worker configuration:',
        'repositories:',
        `  - uris: [<URI of a ${id || 'Debian'} mirror>]`,
        `    suites: [${codename || '<suite>'}]`,
        '    components: [main]',
        `    signedBy: /usr/share/keyrings/${id || 'debian'}-archive-keyring.gpg`,
      ].join('\n'),
    },
  );
}
