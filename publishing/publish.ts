import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { withFileLock } from '../host/file-lock.ts';
import { CommandFailed } from '../host/run.ts';
import { digestOf } from '../repositories/partial-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { switchTo, writeGeneration } from './generation.ts';
import type { IndexEntry } from './index-entry.ts';
import { writeKeyring } from './keyring-files.ts';
import { nextMarker, readMarker, writeMarker } from './marker.ts';
import { discardUnpublished, prune, usedGenerations } from './prune.ts';
import {
  currentGeneration,
  openRepositoryFolder,
  type RepositoryFolder,
  suitesOf,
} from './repository-folder.ts';
import { openSigningKey, type SigningKey, type SigningKeyOptions } from './signing-key.ts';
import { type Skipped, type Staged, stageResults } from './staging.ts';
import { addTo, contentClash, indexPool, keepNewest, readSuite, type Suite } from './suite.ts';

export interface PublishOptions {
  store: Store;
  /** Folder of the repository; made where it is missing. */
  into: string;
  /** Only of builds that succeeded. None: all suites are written and signed anew. */
  results: readonly BuildResult[];
  suite: string;
  component: string;
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

export interface PublishedPackage {
  package: string;
  version: string;
  architecture: string;
  /** Below the folder. */
  files: string[];
}

export interface Published {
  folder: string;
  /** All suites that were written. */
  suites: string[];
  component: string;
  architectures: string[];
  added: PublishedPackage[];
  /** Were there before. */
  unchanged: PublishedPackage[];
  /** Older versions that went. */
  removed: PublishedPackage[];
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
function checkWords({ suite, component, architectures = [], keep = 1 }: PublishOptions): void {
  const wrong = [
    ...[suite, component].filter((word) => !/^[A-Za-z0-9][A-Za-z0-9._~+-]{0,99}$/.test(word)),
    ...architectures.filter((word) => !/^[a-z0-9][a-z0-9-]{0,49}$/.test(word) || NO_ARCHITECTURE.test(word)),
    ...(Number.isInteger(keep) && keep >= 1 ? [] : [`keep ${keep}`]),
  ];
  if (wrong.length === 0) return;
  throw new SlipwayFailure('InvalidRequest', `not possible in a repository: ${wrong.join(', ')}`, {
    items: wrong,
    advice: 'Suites, components and architectures are plain words, as in stable, main, amd64.',
  });
}

const NO_ARCHITECTURE = /^(all|any|source)$/;

function withSignal({ key, signal }: PublishOptions): SigningKeyOptions {
  return { ...(key ?? { key: '' }), ...(signal === undefined ? {} : { signal }) };
}

async function publishLocked(
  folder: RepositoryFolder,
  options: PublishOptions,
  key: SigningKey | undefined,
): Promise<Published> {
  const { store, results, component } = options;
  const before = await readMarker(folder);
  const marker = nextMarker(before, options, key?.fingerprint ?? null);
  const suite = await readSuite(options.suite, await currentGeneration(folder, options.suite));
  const staged = await stageResults(store, results, component, folder.staging);
  const { added, unchanged } = addTo(suite, component, await indexPool(folder.staging));
  const removed = options.keep === undefined ? [] : keepNewest(suite, component, options.keep);
  suite.architectures = architecturesOf(suite, options);
  await fillPool(folder, staged);
  const others = key?.fingerprint === before?.key ? [] : await suitesOf(folder);
  const names = results.length === 0 ? await suitesOf(folder) : [options.suite, ...others];
  if (names.length === 0) throw nothingThere(folder);
  const written = [...new Set(names)];
  for (const name of written) {
    const what = name === suite.name ? suite : await readSuite(name, await currentGeneration(folder, name));
    const older = await usedGenerations(folder, name);
    const generation = await writeGeneration(folder, what, marker, key, older);
    await switchTo(folder, name, generation);
  }
  const keyring = await writeKeyring(folder.root, key);
  // Last: where a new key did not get to all suites, the next publish is asked for it again.
  await writeMarker(folder, marker);
  await prune(folder);
  return {
    folder: folder.root,
    suites: written,
    component,
    architectures: suite.architectures,
    added: added.map(described),
    unchanged: unchanged.map(described),
    removed: removed.map(described),
    skipped: staged.skipped,
    key: marker.key,
    ...(keyring === undefined ? {} : { keyring }),
  };
}

/** Those of the suite, of its packages, and that were named; where there are none, those that were built for. */
function architecturesOf(suite: Suite, { architectures = [], results }: PublishOptions): string[] {
  const entries = [...suite.components.values()].flat().map(({ architecture }) => architecture);
  const found = new Set([...suite.architectures, ...architectures, ...entries]);
  found.delete('all');
  found.delete('source');
  if (found.size === 0) for (const { request } of results) found.add(request.architecture);
  return [...found].sort();
}

/** Puts staged files to their places in the pool; looks at all of them before the first. */
async function fillPool(folder: RepositoryFolder, staged: Staged): Promise<void> {
  const wanted: [from: string, to: string][] = [];
  const clashes: string[] = [];
  for (const path of staged.builds.keys()) {
    const [from, to] = [join(staged.folder, path), join(folder.root, path)];
    const there = await digestOf(to);
    if (there === undefined) wanted.push([from, to]);
    else if (there !== (await digestOf(from))) clashes.push(path);
  }
  if (clashes.length > 0) throw contentClash(clashes, folder.root);
  for (const [from, to] of wanted) {
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }
}

function described({ package: name, version, architecture, files }: IndexEntry): PublishedPackage {
  return { package: name, version, architecture, files: files.map(({ path }) => path) };
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
        ? 'Install the Debian packages apt-utils, dpkg and xz-utils (scripts/setup does).'
        : 'Run the command by hand to see more.';
    throw new SlipwayFailure('HostUnfit', error.message, { advice, cause: error });
  }
}
