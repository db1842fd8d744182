import { link, mkdir, readdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ignoreMissing, syncFolder } from '../host/atomic-file.ts';
import { run } from '../host/run.ts';
import { digestOf } from '../repositories/partial-file.ts';
import { indexText } from './index-entry.ts';
import type { RepositoryMarker } from './marker.ts';
import type { RepositoryFolder } from './repository-folder.ts';
import type { SigningKey } from './signing-key.ts';
import { entriesFor, SHA256_ONLY, type Suite } from './suite.ts';

/**
 * Writes all of a suite into a folder of its own and returns it; readers see nothing of it yet. Indexes lie under their
 * digests too (by-hash), those of `older` generations beside them: who has read a Release file finds the very indexes
 * that it names, also after a later one has taken its place.
 */
export async function writeGeneration(
  folder: RepositoryFolder,
  suite: Suite,
  marker: RepositoryMarker,
  key: SigningKey | undefined,
  older: readonly string[],
): Promise<string> {
  const generation = join(folder.generations, suite.name, await nextName(folder, suite.name));
  for (const component of suite.components.keys()) {
    for (const architecture of suite.architectures) {
      const text = indexText(entriesFor(suite, component, architecture));
      await writeIndex(join(generation, component, `binary-${architecture}`), 'Packages', text);
    }
    const text = indexText(entriesFor(suite, component, 'source'));
    await writeIndex(join(generation, component, 'source'), 'Sources', text);
  }
  await writeRelease(generation, suite, marker);
  for (const each of [...older, generation]) await linkByHash(each, generation);
  await key?.signRelease(generation);
  return generation;
}

/** Later than every generation there is, whatever the clock says. */
async function nextName(folder: RepositoryFolder, suite: string): Promise<string> {
  const last = (await generationsOf(folder, suite)).at(-1);
  const time = Math.max(Date.now(), last === undefined ? 0 : Number(basename(last)) + 1);
  return String(time).padStart(15, '0');
}

/** Folders of all generations of a suite, oldest first. */
export async function generationsOf(folder: RepositoryFolder, suite: string): Promise<string[]> {
  const all = join(folder.generations, suite);
  const names = (await readdir(all).catch(ignoreMissing)) ?? [];
  return names.sort().map((name) => join(all, name));
}

async function writeIndex(folder: string, name: 'Packages' | 'Sources', text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), text);
  await writeFile(join(folder, `${name}.gz`), gzipSync(text, { level: 9 }));
  await run(['xz', '--keep', '--threads=1', join(folder, name)]);
}

async function writeRelease(generation: string, suite: Suite, marker: RepositoryMarker): Promise<void> {
  const fields: [string, string][] = [
    ['Origin', marker.origin],
    ['Label', marker.label],
    ['Suite', suite.name],
    ['Codename', suite.name],
    ['Architectures', suite.architectures.join(' ')],
    ['Components', [...suite.components.keys()].sort().join(' ')],
    ['Acquire-By-Hash', 'yes'],
    ...(marker.validSeconds === undefined
      ? []
      : [['ValidTime', String(marker.validSeconds)] satisfies [string, string]]),
  ];
  const options = fields.flatMap(([name, value]) => ['-o', `APT::FTPArchive::Release::${name}=${value}`]);
  const { stdout } = await run(['apt-ftparchive', ...SHA256_ONLY, ...options, 'release', generation]);
  await writeFile(join(generation, 'Release'), stdout);
}

const INDEX = /^(Packages|Sources)(\.gz|\.xz)?$/;

/** Gives the indexes of one generation their place under their digests in another, or the same. */
async function linkByHash(from: string, to: string): Promise<void> {
  for (const path of await readdir(from, { recursive: true })) {
    if (!INDEX.test(basename(path))) continue;
    const digest = await digestOf(join(from, path));
    const target = join(to, dirname(path), 'by-hash', 'SHA256', digest ?? '');
    await mkdir(dirname(target), { recursive: true });
    await link(join(from, path), target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** From now on readers see this generation, all of it: a symlink is renamed over the one before. */
export async function switchTo(folder: RepositoryFolder, suite: string, generation: string): Promise<void> {
  // A power cut must not leave the link to files that were never written.
  await run(['sync', '--file-system', generation]);
  const aside = join(folder.dists, `.${suite}`);
  await unlink(aside).catch(ignoreMissing);
  await symlink(relative(folder.dists, generation), aside);
  await rename(aside, join(folder.dists, suite));
  await syncFolder(folder.dists);
}
