import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Lock } from '../schema/lock.ts';
import type { AptRoot } from './apt-root.ts';
import type { Apt } from './package-lists.ts';

type Consulted = Lock['repositories'][number];

/** The Release files behind the lists of a root, sorted by URI and suite. */
export async function consultedReleases({
  root,
  signal,
}: Pick<Apt, 'root' | 'signal'>): Promise<Consulted[]> {
  const found = new Map<string, Consulted>();
  for (const { target, bytes } of await releaseFiles(root, await indexTargets(root, signal))) {
    const key = `${target.uri} ${target.suite}`;
    const known = found.get(key);
    if (known !== undefined) known.components = [...new Set([...known.components, target.component])].sort();
    else found.set(key, consulted(bytes, target));
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** The Release file of each target, those left out that a root has none of: apt keeps only what it accepted. */
export async function releaseFiles(
  root: Pick<AptRoot, 'directory'>,
  targets: readonly IndexTarget[],
): Promise<{ target: IndexTarget; bytes: Buffer }[]> {
  const lists = join(root.directory, 'lists');
  const releases = (await readdir(lists)).filter((name) => /_(In)?Release$/.test(name));
  const found: { target: IndexTarget; bytes: Buffer }[] = [];
  for (const target of targets) {
    // The name of each list begins with that of its Release file, less that word; the longest is the right one.
    const release = releases
      .filter((name) => target.file.startsWith(name.replace(/(In)?Release$/, '')))
      .sort((a, b) => b.length - a.length)[0];
    if (release !== undefined) found.push({ target, bytes: await readFile(join(lists, release)) });
  }
  return found;
}

/** A field of a Release file; empty where it is missing. */
export function releaseField(bytes: Buffer, name: string): string {
  return new RegExp(`^${name}:[ \\t]*(.+)$`, 'm').exec(bytes.toString('utf8'))?.[1]?.trim() ?? '';
}

export interface IndexTarget {
  uri: string;
  suite: string;
  component: string;
  /** Name of its list. */
  file: string;
}

const FIELDS = ['REPO_URI', 'RELEASE', 'COMPONENT', 'FILENAME'];

/** What apt itself makes of its sources. `flags`: for instance `--no-release-info`. */
export async function indexTargets(
  root: Pick<AptRoot, 'run'>,
  signal?: AbortSignal,
  flags: readonly string[] = [],
): Promise<IndexTarget[]> {
  const format = FIELDS.map((field) => `$(${field})`).join('\t');
  const { stdout } = await root.run(
    ['apt-get', 'indextargets', ...flags, '--format', format],
    signal === undefined ? {} : { signal },
  );
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [uri = '', suite = '', component = '', file = ''] = line.split('\t');
      return { uri, suite, component, file: basename(file) };
    });
}

function consulted(bytes: Buffer, target: IndexTarget): Consulted {
  const date = new Date(releaseField(bytes, 'Date'));
  if (Number.isNaN(date.getTime())) {
    throw new SlipwayFailure(
      'InputRejected',
      `the Release file of ${target.uri} ${target.suite} has no valid Date`,
    );
  }
  return {
    uri: target.uri,
    suite: target.suite,
    components: [target.component],
    release: createHash('sha256').update(bytes).digest('hex'),
    date: date.toISOString(),
  };
}
