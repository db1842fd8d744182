import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { allEnded } from '../host/all-ended.ts';
import { ignoreMissing } from '../host/atomic-file.ts';
import { withFileLock } from '../host/file-lock.ts';
import { FreshWork } from '../host/fresh-work.ts';
import { run } from '../host/run.ts';
import { SharedWork } from '../host/shared-work.ts';
import { Answers } from './answers.ts';
import { aptSources, type SourceEntry } from './apt-repository.ts';
import {
  type AptRoot,
  type AptRootOptions,
  createAptRoot,
  openAptRoot,
  withPreferences,
} from './apt-root.ts';
import { updateLists } from './apt-update.ts';
import { updateKept } from './kept-lists.ts';
import { sweepSets } from './list-sets.ts';
import { hasCaches, linkLists, stateFolder } from './list-state.ts';
import { type Mirrors, mirrorsOf } from './packages.ts';

/** Seconds that one update may wait for another of the same repositories. */
const LOCK_SECONDS = 600;

/** After this long a snapshot is what a killed process left. */
const SNAPSHOT_MS = 24 * 60 * 60 * 1000;

/** An apt root of one resolution alone. */
export interface Snapshot extends AptRoot, AsyncDisposable {}

/** What asks apt. */
export interface Apt {
  /** Others use it at the same time: nothing is written into its folder, nor are its lists updated. */
  root: AptRoot;
  mirrors: Mirrors;
  signal: AbortSignal;
  /** The same lists in a root of one's own. */
  snapshot(): Promise<Snapshot>;
}

/** Package lists of a set of repositories in one state, verified by apt after they were asked for. */
export interface Lists {
  /**
   * What apt says over these lists with the preferences of this request: found once, and remembered for this state.
   * @param question JSON; all that the answer depends on beside the lists
   * @throws what `find` throws; that is not remembered
   */
  ask<Answer>(
    question: readonly unknown[],
    schema: z.ZodType<Answer>,
    find: (apt: Apt) => Promise<Answer>,
  ): Promise<Answer>;
}

/** `preferences` are those of one request alone. */
export type ListsOptions = Pick<
  AptRootOptions,
  'directory' | 'architecture' | 'foreign' | 'proxies' | 'preferences'
>;

const updates = new FreshWork<string>();
const caching = new SharedWork<void>();

/**
 * Up-to-date lists of these repositories. They are kept in a folder for each set of repositories and architectures and
 * brought up to date by one process at a time; those who ask for the same while one waits for its turn share its update.
 * What they were at that moment has a folder of its own (list-state.ts), so that many can read in it while another
 * updates, and each sees one state from begin to end.
 *
 * @throws SlipwayFailure as updateLists
 */
export async function currentLists(
  entries: readonly SourceEntry[],
  { preferences = '', ...options }: ListsOptions,
  signal: AbortSignal,
): Promise<Lists> {
  const sources = aptSources(entries);
  const architectures = [options.architecture, ...(options.foreign ?? [])].join(' ');
  const name = createHash('sha256').update(`${architectures}\n${sources}`).digest('hex').slice(0, 16);
  const directory = join(options.directory, 'sets', name);
  if ((await mkdir(directory, { recursive: true })) !== undefined)
    await sweepSets(join(options.directory, 'sets'));
  const kept = { ...options, directory, sources };
  const folder = await updates.run(directory, signal, (shared, begin) => update(kept, shared, begin));
  const answers = new Answers(join(folder, 'answers'));
  const snapshot = () => createSnapshot(options.directory, folder, { ...kept, preferences });
  return {
    ask: (question, schema, find) =>
      answers.of([preferences, ...question], schema, signal, async (shared) => {
        const root = await preferred(folder, options.proxies, preferences, shared);
        return await find({ root, mirrors: mirrorsOf(entries), signal: shared, snapshot });
      }),
  };
}

/** @returns the folder of the state that the lists are in then */
async function update(
  options: AptRootOptions & { sources: string },
  signal: AbortSignal,
  begin: () => void,
): Promise<string> {
  const locked = async () => {
    begin();
    const root = await createAptRoot(options);
    const [{ stdout: version }, { files }] = await allEnded([
      run(['apt-get', '--version'], { signal }),
      updateKept(options.directory, () => updateLists(root, signal)),
    ]);
    return await stateFolder(options, files, version);
  };
  return await withFileLock(join(options.directory, 'lock'), LOCK_SECONDS, locked, signal);
}

/** The shared root of a state, with apt's caches in it. */
async function preferred(
  folder: string,
  proxies: AptRootOptions['proxies'],
  preferences: string,
  signal: AbortSignal,
): Promise<AptRoot> {
  const root = openAptRoot(folder, proxies);
  if (!(await hasCaches(folder))) {
    // By each of the commands that run at the same time otherwise.
    await caching.run(folder, signal, async (shared) => {
      await root.run(['apt-cache', 'gencaches', '-q'], { signal: shared });
    });
  }
  if (preferences === '') return root;
  const name = createHash('sha256').update(preferences).digest('hex');
  return await withPreferences(root, proxies, preferences, join(folder, 'preferences', name));
}

async function createSnapshot(base: string, from: string, options: AptRootOptions): Promise<Snapshot> {
  const snapshots = join(base, 'snapshots');
  await mkdir(snapshots, { recursive: true });
  await sweep(snapshots);
  const directory = join(snapshots, randomUUID());
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const root = await createAptRoot({ ...options, directory });
    await linkLists(from, directory);
    return { ...root, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const made = (await stat(join(folder, name)).catch(ignoreMissing))?.mtimeMs ?? Date.now();
    if (Date.now() - made > SNAPSHOT_MS) await rm(join(folder, name), { recursive: true, force: true });
  }
}
