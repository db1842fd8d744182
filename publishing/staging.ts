import { link, mkdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fetchArtifacts } from '../client/fetch-artifacts.ts';
import { CommandFailed, run } from '../host/run.ts';
import { readDsc, signedText } from '../repositories/dsc.ts';
import { digestOf } from '../repositories/partial-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Artifact, BuildResult } from '../schema/result.ts';
import { BlobMissing, type Store } from '../stores/store.ts';
import { shortId } from '../workflows/names.ts';

/** What cannot be published of a result, and why. */
export interface Skipped {
  build: string;
  /** Absent: the whole result. */
  file?: string;
  reason: string;
}

/** The files of results, laid out as they are to lie in the pool. */
export interface Staged {
  /** Has `pool/<component>/…`. */
  folder: string;
  /** Which build each file came from, by its path below `folder`. */
  builds: Map<string, string>;
  skipped: Skipped[];
  /** Builds of which nothing can be published; `skipped` says why. */
  empty: Set<string>;
}

const NAME = /^[a-z0-9][a-z0-9+.-]+$/;
const VERSION = /^(\d+:)?[A-Za-z0-9.+~-]+$/;

/**
 * Fetches binary packages, and source packages that are complete, out of the store: each file verified while it is
 * written.
 * @throws SlipwayFailure InputsGone where the store does not have a file any more; InputRejected where a file is not
 *   what it says, or two builds made the same file differently
 */
export async function stageResults(
  store: Store,
  results: readonly BuildResult[],
  component: string,
  folder: string,
): Promise<Staged> {
  const staged: Staged = { folder, builds: new Map(), skipped: [], empty: new Set() };
  for (const [at, result] of results.entries()) {
    const from = join(folder, 'fetched', String(at));
    const files = result.artifacts.filter(({ kind }) => kind === 'file');
    const wanted = files.filter(({ path }) => /\.(deb|dsc)$/.test(path));
    for (const { path } of files.filter((file) => file.path.endsWith('.udeb'))) {
      staged.skipped.push({ build: result.build, file: path, reason: 'an installer package (udeb)' });
    }
    await fetched(store, result, wanted, from);
    let isEmpty = true;
    for (const { path } of wanted) {
      const file = join(from, path);
      const of = { store, result, component, files, from };
      const stageFile = path.endsWith('.deb') ? stageDeb : stageSource;
      if (await stageFile(file, staged, of)) isEmpty = false;
    }
    if (isEmpty) leaveOut(result, staged);
    await rm(from, { recursive: true, force: true });
  }
  return staged;
}

function leaveOut({ build }: BuildResult, { empty, skipped }: Staged): void {
  empty.add(build);
  if (skipped.some((each) => each.build === build)) return;
  skipped.push({ build, reason: 'it has no package: no file .deb or .dsc' });
}

interface Of {
  store: Store;
  result: BuildResult;
  component: string;
  files: readonly Artifact[];
  /** Folder of the artifacts that were fetched. */
  from: string;
}

async function fetched(store: Store, { build }: BuildResult, files: readonly Artifact[], folder: string) {
  try {
    await fetchArtifacts(store, files, folder);
  } catch (error) {
    if (!(error instanceof BlobMissing)) throw error;
    throw new SlipwayFailure('InputsGone', `the store no longer has the files of ${shortId(build)}`, {
      advice:
        'Retention (slipway gc) has deleted this result, perhaps just now: build it again, or publish another.',
      cause: error,
    });
  }
}

/** Named after what is in it, whatever the build called the file. True: it is staged. */
async function stageDeb(file: string, staged: Staged, { result, component }: Of): Promise<true> {
  const format = ['Package', 'Version', 'Architecture', 'source:Package'].map((field) => `\${${field}}\n`);
  const shown = await run(['dpkg-deb', '--show', `--showformat=${format.join('')}`, file]).catch(
    (error: unknown) => {
      if (!(error instanceof CommandFailed) || error.code === 'ENOENT') throw error;
      throw rejected(
        `${basename(file)} of ${shortId(result.build)} is no Debian package: ${error.stderr.trim()}`,
      );
    },
  );
  const [name = '', version = '', architecture = '', source = ''] = shown.stdout.split('\n');
  const isGood =
    [name, source].every((each) => NAME.test(each)) &&
    VERSION.test(version) &&
    /^[a-z0-9-]+$/.test(architecture);
  if (!isGood) {
    const said = JSON.stringify([name, version, architecture, source]);
    throw rejected(`${basename(file)} of ${shortId(result.build)} says that it is ${said}`);
  }
  const pooled = `${name}_${version.replace(/^\d+:/, '')}_${architecture}.deb`;
  await stage(file, `${poolFolder(component, source)}/${pooled}`, result.build, staged);
  return true;
}

/** False where it is not complete, and left out. */
async function stageSource(
  dsc: string,
  staged: Staged,
  { store, result, component, files, from }: Of,
): Promise<boolean> {
  const what = basename(dsc);
  const { text } = signedText(await readFile(dsc, 'utf8'), what);
  const { name, files: listed } = readDsc(text, what);
  const parts = listed.map(({ name: part, sha256 }) =>
    files.find(({ path, sha256: found }) => basename(path) === part && found === sha256),
  );
  if (parts.some((part) => part === undefined)) {
    const missing = listed.filter((_, at) => parts[at] === undefined).map((part) => part.name);
    const reason = `the build did not put out ${missing.join(', ')}`;
    staged.skipped.push({ build: result.build, file: what, reason });
    return false;
  }
  const folder = poolFolder(component, name);
  const needed = parts.filter((part) => part !== undefined);
  await fetched(store, result, needed, from);
  for (const { path } of needed) {
    await stage(join(from, path), `${folder}/${basename(path)}`, result.build, staged);
  }
  await stage(dsc, `${folder}/${what}`, result.build, staged);
  return true;
}

async function stage(file: string, path: string, build: string, staged: Staged): Promise<void> {
  const target = join(staged.folder, path);
  const other = staged.builds.get(path);
  if (other === undefined) {
    await mkdir(dirname(target), { recursive: true });
    await link(file, target);
    staged.builds.set(path, build);
  } else if ((await digestOf(file)) !== (await digestOf(target))) {
    throw new SlipwayFailure(
      'InvalidRequest',
      `${basename(path)} was made differently by two of the builds: ${shortId(other)} and ${shortId(build)}`,
      { advice: 'Publish one of them. Builds of the same version that differ need different versions.' },
    );
  }
}

/** As Debian has it: `pool/main/libh/libhello`. */
function poolFolder(component: string, source: string): string {
  const prefix = source.startsWith('lib') ? source.slice(0, 4) : source.slice(0, 1);
  return `pool/${component}/${prefix}/${source}`;
}

function rejected(message: string): SlipwayFailure {
  return new SlipwayFailure('InputRejected', message, { advice: 'The build made it so: see its recipe.' });
}
