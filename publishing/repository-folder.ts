import { lstat, mkdir, readdir, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** Where everything of a repository lies. What begins with `.slipway` is of no interest to apt. */
export interface RepositoryFolder {
  /** Absolute: what a web server serves. */
  readonly root: string;
  readonly pool: string;
  /** A symlink for each suite, to its current generation. */
  readonly dists: string;
  /** A folder for each suite, with its generations: `<time>`. */
  readonly generations: string;
  /** What is not published yet; whatever is left in it belongs to a process that was killed. */
  readonly staging: string;
  readonly lock: string;
  /** What stays the same from one publish to the next. */
  readonly marker: string;
}

const OWN = '.slipway';

/**
 * Opens the folder of a repository; makes a new one where it is missing (in a folder that is there) or empty.
 * @throws SlipwayFailure InvalidRequest where it is something else, or cannot be made
 */
export async function openRepositoryFolder(path: string): Promise<RepositoryFolder> {
  const root = resolve(path);
  const entries = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new SlipwayFailure('InvalidRequest', `${root} cannot be used: ${error.message}`, {
      advice: 'Name a folder that you may write: --into <folder>.',
    });
  });
  const foreign = entries.filter((name) => name !== 'lost+found');
  if (foreign.length > 0 && !foreign.includes(OWN)) {
    throw new SlipwayFailure(
      'InvalidRequest',
      `${root} is no repository of slipway publish: it has ${foreign[0]}${foreign.length > 1 ? ', …' : ''}`,
      { advice: 'Name an empty folder, one that does not exist yet, or one that slipway publish has made.' },
    );
  }
  const own = join(root, OWN);
  const folder = {
    root,
    pool: join(root, 'pool'),
    dists: join(root, 'dists'),
    generations: join(own, 'dists'),
    staging: join(own, 'staging'),
    lock: join(own, 'lock'),
    marker: join(own, 'repository.json'),
  };
  // Our own first: by it another process knows the folder.
  for (const name of [root, own, folder.generations, folder.pool, folder.dists]) await makeFolder(name);
  return folder;
}

/** Not recursive: that would make the folders of a path that is mistyped, and in /proc Node tries it for ever. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return;
    const reason = error.code === 'ENOENT' ? `${dirname(path)} has no place for it` : error.message;
    throw new SlipwayFailure('InvalidRequest', `the folder ${path} cannot be made: ${reason}`, {
      advice: `Make ${dirname(path)} first if it is missing, or name another folder that you may write: --into <folder>.`,
      cause: error,
    });
  });
}

/** All suites that are published, sorted. */
export async function suitesOf(folder: RepositoryFolder): Promise<string[]> {
  const names = (await readdir(folder.dists)).sort();
  const isLink = await Promise.all(
    names.map(async (name) => (await lstat(join(folder.dists, name))).isSymbolicLink()),
  );
  // A link that is being replaced has a name that no suite can have.
  return names.filter((name, at) => isLink[at] && !name.startsWith('.'));
}

/** The folder of the generation that readers see now; undefined where the suite is new. */
export async function currentGeneration(
  folder: RepositoryFolder,
  suite: string,
): Promise<string | undefined> {
  const target = await readlink(join(folder.dists, suite)).catch(ignoreMissing);
  return target === undefined ? undefined : resolve(folder.dists, target);
}
