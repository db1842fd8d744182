import { readdir, rm, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { generationsOf } from './generation.ts';
import { currentGeneration, type RepositoryFolder, suitesOf } from './repository-folder.ts';
import { readSuite } from './suite.ts';

/** How long a reader may still use what was replaced: an apt that has read the Release file and fetches the rest. */
const LINGER_MILLISECONDS = 24 * 60 * 60 * 1000;
/** Of one suite, beside the current one. */
const MOST_OLD_GENERATIONS = 10;

/** Generations of a suite that readers may still use: the current one, and those that were replaced within a day. */
export async function usedGenerations(folder: RepositoryFolder, suite: string): Promise<string[]> {
  const current = await currentGeneration(folder, suite);
  if (current === undefined) return [];
  const published = await generationsOf(folder, suite);
  const lingering = published.slice(0, -1).filter((_, at) => {
    const replacedAt = Number(basename(published[at + 1] ?? current));
    return Date.now() - replacedAt < LINGER_MILLISECONDS;
  });
  return [...lingering.slice(-MOST_OLD_GENERATIONS), current];
}

/** Deletes what a publish that was killed has left: generations that no reader ever saw, and what was staged. */
export async function discardUnpublished(folder: RepositoryFolder): Promise<void> {
  await rm(folder.staging, { recursive: true, force: true });
  for (const suite of await readdir(folder.generations)) {
    const current = await currentGeneration(folder, suite);
    for (const generation of await generationsOf(folder, suite)) {
      const isPublished = current !== undefined && basename(generation) <= basename(current);
      if (!isPublished) await rm(generation, { recursive: true, force: true });
    }
  }
}

/** Deletes generations that no reader uses any more, and the files of the pool that only they had. */
export async function prune(folder: RepositoryFolder): Promise<void> {
  const wanted = new Set<string>();
  for (const suite of await suitesOf(folder)) {
    const used = await usedGenerations(folder, suite);
    for (const generation of await generationsOf(folder, suite)) {
      if (!used.includes(generation)) await rm(generation, { recursive: true, force: true });
    }
    for (const generation of used) {
      const { components } = await readSuite(suite, generation);
      for (const { files } of [...components.values()].flat()) for (const { path } of files) wanted.add(path);
    }
  }
  for (const entry of await readdir(folder.pool, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !wanted.has(path.slice(folder.root.length + 1))) await unlink(path);
  }
}
