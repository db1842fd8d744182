import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { withFileLock } from '../host/file-lock.ts';
import { aptSources, type SourceEntry } from './apt-repository.ts';
import { type AptRoot, type AptRootOptions, createAptRoot } from './apt-root.ts';
import { updateLists } from './apt-update.ts';

/** Seconds that one update may wait for another of the same repositories. */
const LOCK_SECONDS = 600;

/** After this long a snapshot is what a killed process left. */
const SNAPSHOT_MS = 24 * 60 * 60 * 1000;

/** An apt root of one resolution alone. */
export interface Snapshot extends AptRoot, AsyncDisposable {}

/** `preferences` are those of this resolution alone. */
type ListsOptions = Pick<
  AptRootOptions,
  'directory' | 'architecture' | 'foreign' | 'proxies' | 'preferences'
>;

/**
 * An apt root with up-to-date lists of these repositories. The lists are kept in a folder for each set of repositories
 * and architecture, updated by one process at a time, and hard-linked from there (apt replaces its lists, it never
 * writes into them): so many resolutions can read while another updates, and each sees one state from begin to end.
 *
 * @throws SlipwayFailure as updateLists
 */
export async function snapshotLists(
  entries: readonly SourceEntry[],
  { preferences = '', ...options }: ListsOptions,
  signal: AbortSignal,
): Promise<Snapshot> {
  const sources = aptSources(entries);
  const architectures = [options.architecture, ...(options.foreign ?? [])].join(' ');
  const name = createHash('sha256').update(`${architectures}\n${sources}`).digest('hex').slice(0, 16);
  const kept = join(options.directory, 'sets', name);
  const snapshots = join(options.directory, 'snapshots');
  await mkdir(kept, { recursive: true });
  await mkdir(snapshots, { recursive: true });
  await sweep(snapshots);
  const directory = join(snapshots, randomUUID());
  try {
    const update = async () => {
      await updateLists(await createAptRoot({ ...options, directory: kept, sources }), signal);
      await linkFiles(join(kept, 'lists'), join(directory, 'lists'));
    };
    await withFileLock(join(kept, 'lock'), LOCK_SECONDS, update, signal);
    const root = await createAptRoot({ ...options, directory, sources, preferences });
    return { ...root, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function linkFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const entries = await readdir(from, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && entry.name !== 'lock').map((entry) => entry.name);
  await Promise.all(names.map((name) => link(join(from, name), join(to, name))));
}

async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const made = (await stat(join(folder, name)).catch(ignoreMissing))?.mtimeMs ?? Date.now();
    if (Date.now() - made > SNAPSHOT_MS) await rm(join(folder, name), { recursive: true, force: true });
  }
}
