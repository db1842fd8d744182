import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { run } from '../host/run.ts';
import { readParagraphs } from '../repositories/deb822.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { compareVersions } from './debian-version.ts';
import { type IndexEntry, keyOf, readPackages, readSources, sameFiles } from './index-entry.ts';

/** Everything that a suite has. */
export interface Suite {
  name: string;
  /** Without `all` and `source`; sorted. */
  architectures: string[];
  /** Packages and source packages of each component. */
  components: Map<string, IndexEntry[]>;
}

/** apt-ftparchive says of each file only what is needed, and nothing weak. */
export const SHA256_ONLY = ['MD5', 'SHA1', 'SHA512'].flatMap((name) => [
  '-o',
  `APT::FTPArchive::${name}=false`,
]);

/** Reads a generation of a suite; without one the suite is empty. */
export async function readSuite(name: string, generation: string | undefined): Promise<Suite> {
  const suite: Suite = { name, architectures: [], components: new Map() };
  if (generation === undefined) return suite;
  const release = readParagraphs(await readFile(join(generation, 'Release'), 'utf8'))[0];
  suite.architectures = wordsOf(release?.get('architectures'));
  for (const component of wordsOf(release?.get('components'))) {
    const found = new Map<string, IndexEntry>();
    for (const architecture of suite.architectures) {
      const path = join(generation, component, `binary-${architecture}`, 'Packages');
      // Packages for all architectures are in the index of each.
      for (const entry of readPackages(await textOf(path))) found.set(keyOf(entry), entry);
    }
    const sources = readSources(await textOf(join(generation, component, 'source', 'Sources')));
    suite.components.set(component, [...found.values(), ...sources]);
  }
  return suite;
}

/** What apt-ftparchive makes of a `pool` in a folder. */
export async function indexPool(folder: string): Promise<IndexEntry[]> {
  await mkdir(join(folder, 'pool'), { recursive: true });
  const index = async (kind: 'packages' | 'sources') => {
    const file = join(folder, kind);
    await run(['apt-ftparchive', ...SHA256_ONLY, kind, 'pool'], { cwd: folder, stdout: { file } });
    return readFile(file, 'utf8');
  };
  return [...readPackages(await index('packages')), ...readSources(await index('sources'))];
}

/**
 * Adds packages to a component. What the suite has already, in whichever component, stays as it is and where it is.
 * @throws SlipwayFailure InvalidRequest, with all of them, where a package of the same version has other content
 */
export function addTo(
  suite: Suite,
  component: string,
  entries: readonly IndexEntry[],
): { added: IndexEntry[]; unchanged: { entry: IndexEntry; component: string }[] } {
  const there = new Map(
    [...suite.components].flatMap(([where, all]) =>
      all.map((entry) => [keyOf(entry), { entry, component: where }] as const),
    ),
  );
  const clashes = entries.filter((entry) => {
    const other = there.get(keyOf(entry));
    return other !== undefined && !sameFiles(entry, other.entry);
  });
  if (clashes.length > 0) throw contentClash(clashes.map(keyOf), suite.name);
  const added = entries.filter((entry) => !there.has(keyOf(entry)));
  suite.components.set(component, [...(suite.components.get(component) ?? []), ...added]);
  return { added, unchanged: entries.flatMap((entry) => there.get(keyOf(entry)) ?? []) };
}

export function contentClash(items: string[], where: string): SlipwayFailure {
  return new SlipwayFailure(
    'InvalidRequest',
    `${where} has the same version with other content, which apt would refuse or mix up: ${items.join(', ')}`,
    {
      items,
      advice: 'Give the changed package a new version (debian/changelog, or a binNMU), then publish it.',
    },
  );
}

/** Takes all but the newest versions of each package out of a component, and returns what went. */
export function keepNewest(suite: Suite, component: string, count: number): IndexEntry[] {
  const groups = new Map<string, IndexEntry[]>();
  for (const entry of suite.components.get(component) ?? []) {
    // A source package and a binary one may have the same name.
    const key = `${entry.package} ${entry.architecture === 'source' ? 'source' : 'binary'}`;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  const gone = [...groups.values()].flatMap((entries) => {
    const versions = [...new Set(entries.map(({ version }) => version))].sort((a, b) =>
      compareVersions(b, a),
    );
    const kept = new Set(versions.slice(0, count));
    return entries.filter(({ version }) => !kept.has(version));
  });
  const kept = suite.components.get(component)?.filter((entry) => !gone.includes(entry)) ?? [];
  suite.components.set(component, kept);
  return gone;
}

/** Of one component and architecture: what its `Packages` or, for `source`, its `Sources` has. */
export function entriesFor(suite: Suite, component: string, architecture: string): IndexEntry[] {
  const wanted = architecture === 'source' ? ['source'] : [architecture, 'all'];
  return (suite.components.get(component) ?? []).filter((entry) => wanted.includes(entry.architecture));
}

function wordsOf(value: string | undefined): string[] {
  return (value ?? '').split(/\s+/).filter((word) => word !== '');
}

async function textOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(ignoreMissing)) ?? '';
}
