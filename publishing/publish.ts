import { rm } from 'node:fs/promises';
import { withFileLock } from '../host/file-lock.ts';
import { CommandFailed } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { shortId } from '../workflows/names.ts';
import { architecturesOf, checkArchitectures } from './architectures.ts';
import { type Change, changeSuite, NO_CHANGE } from './change.ts';
import { switchTo, writeGeneration } from './generation.ts';
import { writeKeyring } from './keyring-files.ts';
import { nextMarker, readMarker, writeMarker } from './marker.ts';
import { checkPool, fillPool } from './pool.ts';
import { discardUnpublished, prune, usedGenerations } from './prune.ts';
import {
  currentGeneration,
  openRepositoryFolder,
  type RepositoryFolder,
  suitesOf,
} from './repository-folder.ts';
import { openSigningKey, type SigningKey, type SigningKeyOptions } from './signing-key.ts';
import { type Skipped, type Staged, stageResults } from './staging.ts';
import { indexPool, readSuite, type Suite } from './suite.ts';

export interface PublishOptions {
  store: Store;
  /** Folder of the repository; made where it is missing, but not its parents. */
  into: string;
  /** Only of builds that succeeded. None: suites are written and signed anew. */
  results: readonly BuildResult[];
  /** Where some results have no package, publishes the others; by default it is refused. */
  skipEmpty?: boolean;
  /** Default: `stable`; without results all suites. */
  suite?: string | undefined;
  /** That packages are added to; of no meaning without results, as are `architectures` and `keep`. Default: `main`. */
  component?: string | undefined;
  /** Beside those of the packages and of the suite. */
  architectures?: readonly string[];
  /** Absent: the repository is not signed. */
  key?: Omit<SigningKeyOptions, 'signal'> | undefined;
  /** Signs all suites with another key than before. */
  replaceKey?: boolean;
  /** Default: as before; `slipway` in a new repository. */
  origin?: string | undefined;
  label?: string | undefined;
  /** Seconds that Release files are valid. Default: as before; for ever in a new repository. */
  validSeconds?: number | undefined;
  /** Newest versions of each package that stay in the component. Default: all. */
  keep?: number | undefined;
  signal?: AbortSignal;
}

export interface Published extends Change {
  folder: string;
  /** All suites that were written. */
  suites: string[];
  /** That packages were added to; absent: suites were written anew. */
  component?: string;
  /** Of that suite, or of all that were written anew. */
  architectures: string[];
  skipped: Skipped[];
  /** Fingerprint; null: not signed. */
  key: string | null;
  /** File for `Signed-By`. */
  keyring?: string;
}

/** Seconds that one publish may wait for another into the same folder. */
const LOCK_SECONDS = 600;

/**
 * Adds the packages of results to a suite of a signed apt repository. Readers see the suite as it was until all is
 * there, then as it is: never a mixture. One process at a time publishes into a folder; others wait.
 *
 * @throws SlipwayFailure InvalidRequest (the folder, the key, a version with other content), InputsGone, InputRejected,
 *   StoreUnavailable; HostFull where another publish takes longer than ten minutes; HostUnfit where apt-utils is missing
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const failed = options.results.filter(({ outcome }) => outcome !== 'succeeded').map(({ build }) => build);
  if (failed.length > 0) {
    throw new SlipwayFailure('InvalidRequest', 'only builds that succeeded can be published', {
      items: failed,
    });
  }
  checkWords(options);
  await guarded(() => checkArchitectures(options.architectures ?? []));
  const folder = await openRepositoryFolder(options.into);
  const work = async () => {
    await using key = options.key === undefined ? undefined : await openSigningKey(withSignal(options));
    await discardUnpublished(folder);
    try {
      return await publishLocked(folder, options, key);
    } finally {
      await rm(folder.staging, { recursive: true, force: true });
    }
  };
  return guarded(() => withFileLock(folder.lock, LOCK_SECONDS, work, options.signal));
}

/** They become names of folders and words in a Release file. */
function checkWords({ suite = 'stable', component = 'main', keep = 1 }: PublishOptions): void {
  const wrong = [
    ...[suite, component].filter((word) => !/^[A-Za-z0-9][A-Za-z0-9._~+-]{0,99}$/.test(word)),
    ...(Number.isInteger(keep) && keep >= 1 ? [] : [`keep ${keep}`]),
  ];
  if (wrong.length === 0) return;
  throw new SlipwayFailure('InvalidRequest', `not possible in a repository: ${wrong.join(', ')}`, {
    items: wrong,
    advice: 'Suites and components are plain words, as in stable, main.',
  });
}

function withSignal({ key, signal }: PublishOptions): SigningKeyOptions {
  return { ...(key ?? { key: '' }), ...(signal === undefined ? {} : { signal }) };
}

async function publishLocked(
  folder: RepositoryFolder,
  options: PublishOptions,
  key: SigningKey | undefined,
): Promise<Published> {
  const before = await readMarker(folder);
  const marker = nextMarker(before, options, key?.fingerprint ?? null);
  const named = await suitesToWrite(folder, options);
  const others = marker.key === before?.key ? [] : await suitesOf(folder);
  const suites: Suite[] = [];
  for (const name of new Set([...named, ...others])) {
    suites.push(await readSuite(name, await currentGeneration(folder, name)));
  }
  const { change, skipped } = await addResults(folder, suites, options);
  for (const suite of suites) {
    const older = await usedGenerations(folder, suite.name);
    await switchTo(folder, suite.name, await writeGeneration(folder, suite, marker, key, older));
  }
  const keyring = await writeKeyring(folder.root, key);
  // Last: where a new key did not get to all suites, the next publish is asked for it again.
  await writeMarker(folder, marker);
  await prune(folder);
  const changed = suites.filter(({ name }) => named.includes(name));
  return {
    folder: folder.root,
    suites: suites.map(({ name }) => name),
    ...(options.results.length === 0 ? {} : { component: options.component ?? 'main' }),
    architectures: [...new Set(changed.flatMap(({ architectures }) => architectures))].sort(),
    ...change,
    skipped,
    key: marker.key,
    ...(keyring === undefined ? {} : { keyring }),
  };
}

/** That which is added to; without results those that are meant. */
async function suitesToWrite(
  folder: RepositoryFolder,
  { suite, results }: PublishOptions,
): Promise<string[]> {
  if (results.length > 0) return [suite ?? 'stable'];
  const there = await suitesOf(folder);
  if (there.length === 0) throw nothingThere(folder);
  if (suite === undefined) return there;
  if (there.includes(suite)) return [suite];
  throw new SlipwayFailure('InvalidRequest', `${folder.root} has no suite ${suite} to sign anew`, {
    advice: `It has ${there.join(', ')}.`,
  });
}

/** Puts the packages of results into the first of the suites; all of what the suites list is then in the pool. */
async function addResults(
  folder: RepositoryFolder,
  suites: readonly Suite[],
  { store, results, component = 'main', architectures = [], keep, skipEmpty = false }: PublishOptions,
): Promise<{ change: Change; skipped: Skipped[] }> {
  const [suite] = suites;
  if (results.length === 0 || suite === undefined) {
    await checkPool(folder, suites, new Set());
    return { change: NO_CHANGE, skipped: [] };
  }
  const staged = await stageResults(store, results, component, folder.staging);
  if (staged.empty.size > 0 && (!skipEmpty || staged.builds.size === 0)) throw nothingIn(staged);
  const change = changeSuite(suite, component, await indexPool(folder.staging), keep);
  suite.architectures = await architecturesOf(suite, architectures, results);
  await checkPool(folder, suites, new Set(staged.builds.keys()));
  await fillPool(folder, staged);
  return { change, skipped: staged.skipped };
}

function nothingIn({ empty, skipped }: Staged): SlipwayFailure {
  const items = skipped
    .filter(({ build }) => empty.has(build))
    .map(({ build, file, reason }) => `${shortId(build)}: ${file === undefined ? '' : `${file}: `}${reason}`);
  return new SlipwayFailure('InvalidRequest', 'There is nothing to publish of some builds.', {
    items,
    advice: 'Name only builds that made Debian packages; slipway artifacts gets what others made.',
  });
}

function nothingThere(folder: RepositoryFolder): SlipwayFailure {
  return new SlipwayFailure(
    'InvalidRequest',
    `${folder.root} has no suite yet: there is nothing to sign anew`,
    {
      advice: 'Name builds to publish: slipway publish <build> --into <folder>.',
    },
  );
}

/** What remains of failed commands: a program that is missing, or failing in a way that nobody foresaw. */
async function guarded<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const advice =
      error.code === 'ENOENT'
        ? 'Install the Debian packages apt-utils, dpkg-dev and xz-utils (scripts/setup does).'
        : 'Run the command by hand to see more.';
    throw new SlipwayFailure('HostUnfit', error.message, { advice, cause: error });
  }
}
