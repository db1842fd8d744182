import { constants } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepContext } from '../host/progress.ts';
import { CommandFailed } from '../host/run.ts';
import type { WantedFile } from '../recipes/recipe.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Store } from '../stores/store.ts';
import type { AptRoot } from './apt-root.ts';
import type { InputCache } from './cache.ts';
import type { Mirrors } from './packages.ts';
import { preferencesText } from './preferences.ts';
import { storedFile } from './wanted-files.ts';

/** Above all others; what a request pins by name still counts. */
const PRIORITY = 32_767;

/** How the repository calls itself, for its pin. */
const LABEL = 'slipway-local-packages';

/** Its folder in the root, which is of one resolution alone. */
const FOLDER = 'local';

const SOURCES = 'etc/sources.list.d/local.sources';

export interface LocalPackages {
  root: AptRoot;
  store: Pick<Store, 'blobSize'>;
  download: Pick<InputCache, 'fetch' | 'path'>;
  /** Of the build root and of what is built for. */
  architectures: readonly string[];
}

/**
 * Makes binary packages of the request known to a root: a repository in a folder of it, which apt prefers to all others.
 * @returns mirrors for which these files have no URL: they are blobs of the store
 * @throws SlipwayFailure InvalidRequest (no such blob), InputRejected (no package, or of another architecture)
 */
export async function addLocalPackages(
  files: readonly WantedFile[],
  { root, store, download, architectures }: LocalPackages,
  mirrors: Mirrors,
  context: StepContext,
): Promise<Mirrors> {
  const stored = await Promise.all(files.map((file) => storedFile(file, store)));
  await download.fetch(stored, context);
  await mkdir(join(root.directory, FOLDER));
  for (const [index, file] of stored.entries()) {
    const path = download.path(file.sha256);
    await checkPackage(root, { name: file.name, path }, architectures, context.signal);
    // Under a name of ours: the request's would become part of a URL.
    const target = join(root.directory, FOLDER, `${index}.deb`);
    await copyFile(path, target, constants.COPYFILE_FICLONE);
  }
  await writeIndexes(root, context.signal);
  await root.run(['apt-get', 'update', '-q', ...onlyLocal(root)], { signal: context.signal });
  const base = `file:${join(root.directory, FOLDER)}/`;
  return (url) => (url.startsWith(base) ? [] : mirrors(url));
}

/** What apt-ftparchive would leave out without a word. */
async function checkPackage(
  root: AptRoot,
  { name, path }: { name: string; path: string },
  architectures: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const rejected = (why: string, cause?: unknown) =>
    new SlipwayFailure('InputRejected', `the local package ${name} ${why}`, { items: [name], cause });
  try {
    const { stdout } = await root.run(['dpkg-deb', '--field', path, 'Architecture'], { signal });
    const architecture = stdout.trim();
    if (architecture === 'all' || architectures.includes(architecture)) return;
    throw rejected(`is for ${architecture || 'no architecture'}, the build has ${architectures.join(', ')}`);
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.exitCode === undefined) throw error;
    throw rejected(`is no Debian package: ${error.stderr.trim()}`, error);
  }
}

async function writeIndexes(root: AptRoot, signal: AbortSignal): Promise<void> {
  const index = await root.run(['apt-ftparchive', 'packages', FOLDER], { signal });
  await writeFile(join(root.directory, FOLDER, 'Packages'), index.stdout);
  const label = `APT::FTPArchive::Release::Label=${LABEL}`;
  const release = await root.run(['apt-ftparchive', '-o', label, 'release', FOLDER], { signal });
  await writeFile(join(root.directory, FOLDER, 'Release'), release.stdout);
  // Nobody signs it: each file in it is pinned by its digest in the request.
  const source = `Types: deb\nURIs: file:${root.directory}\nSuites: ${FOLDER}/\nTrusted: yes\n`;
  await writeFile(join(root.directory, SOURCES), source);
  const pin = preferencesText([{ package: '*', pin: `release l=${LABEL}`, priority: PRIORITY }]);
  await writeFile(join(root.directory, 'etc/preferences.d/local'), pin);
}

/** Of all sources this one alone; the lists of the others stay. */
function onlyLocal({ directory }: AptRoot): string[] {
  const sources = `Dir::Etc::sourcelist=${join(directory, SOURCES)}`;
  return ['-o', sources, '-o', 'Dir::Etc::sourceparts=/dev/null', '--no-list-cleanup'];
}
