import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { StepContext } from '../host/progress.ts';
import { CommandFailed } from '../host/run.ts';
import type { DebianSource } from '../recipes/debian/schema.ts';
import type { Wanted } from '../recipes/recipe.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { InputFile, type Lock } from '../schema/lock.ts';
import { FileName } from '../schema/names.ts';
import type { Store } from '../stores/store.ts';
import { type AptRepository, describeRepositories } from './apt-repository.ts';
import type { InputCache } from './cache.ts';
import { readDocument } from './document.ts';
import { DSC_LIMIT, type Dsc, type ListedFile, readDsc, signedText } from './dsc.ts';
import type { Apt, Lists } from './package-lists.ts';
import { printedFiles } from './packages.ts';
import { verifySignature } from './signature.ts';
import { readBlob } from './small-blob.ts';

type Named = Extract<DebianSource, { name: string }>;
type AtUrl = Extract<DebianSource, { url: string }>;
type Stored = Extract<DebianSource, { files: unknown }>;

export interface SourceDependencies {
  lists: Lists;
  store: Store;
  download: InputCache;
  repositories: readonly Omit<AptRepository, 'signedBy'>[];
}

/** A .dsc whose origin is checked, and how the files that it lists are found. */
interface Located {
  dsc: InputFile;
  content: Uint8Array;
  /** @throws SlipwayFailure where a listed file is not what the origin has */
  find(file: ListedFile): Promise<InputFile> | InputFile;
}

/**
 * Finds a source package and reads its .dsc, verified: by apt's chain of digests where it comes from a repository, by
 * the digest that the request gives, and by its signature where the recipe has a keyring.
 */
export async function debianSource(
  { from, keyring: demanded }: Extract<Wanted['source'], { kind: 'debian' }>,
  dependencies: SourceDependencies,
  context: StepContext,
): Promise<{ source: Lock['source']; dsc: Dsc }> {
  const located = await locate(from, dependencies, context);
  const { name } = located.dsc;
  const { text, signed } = signedText(Buffer.from(located.content).toString('utf8'), name);
  if (demanded !== undefined) {
    if (!signed)
      throw new SlipwayFailure('InputRejected', `${name} is not signed, and the recipe demands it`);
    const keyring = await readBlob(dependencies.store, demanded, 'the keyring of the recipe');
    await verifySignature(located.content, keyring, name, context.signal);
  }
  const dsc = readDsc(text, name);
  if ('name' in from && dsc.name !== from.name) {
    throw new SlipwayFailure('InputRejected', `${name} is of the source package ${dsc.name}`);
  }
  if (dsc.files.some((file) => file.name === name)) {
    throw new SlipwayFailure('InputRejected', `${name} lists itself`);
  }
  const files = await Promise.all(dsc.files.map((file) => located.find(file)));
  return { source: { name: dsc.name, version: dsc.version, dsc: name, files: [located.dsc, ...files] }, dsc };
}

function locate(
  source: DebianSource,
  dependencies: SourceDependencies,
  context: StepContext,
): Promise<Located> {
  if ('name' in source) return inRepository(source, dependencies, context);
  if ('url' in source) return atUrl(source, dependencies, context);
  return inStore(source, dependencies.store);
}

async function inRepository(
  source: Named,
  { lists, download, repositories }: SourceDependencies,
  context: StepContext,
): Promise<Located> {
  const wanted = source.version === undefined ? source.name : `${source.name}=${source.version}`;
  const files = await lists.ask(['source', wanted], z.array(InputFile), (apt) =>
    listedFiles(wanted, apt, repositories),
  );
  const dsc = files.find((file) => file.name.endsWith('.dsc'));
  if (dsc === undefined) throw new SlipwayFailure('InputRejected', `the index lists no .dsc for ${wanted}`);
  await download.fetch([dsc], context);
  const content = await readFile(download.path(dsc.sha256));
  return { dsc, content, find: (file) => listedAs(file, files, dsc.name) };
}

/** What the index has of a source package. */
async function listedFiles(
  wanted: string,
  { root, mirrors, signal }: Apt,
  repositories: SourceDependencies['repositories'],
): Promise<InputFile[]> {
  try {
    const argv = ['apt-get', 'source', '-qq', '--only-source', '--print-uris', wanted] as const;
    return printedFiles((await root.run(argv, { signal })).stdout, mirrors);
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.code === 'ENOENT') throw error;
    const where = describeRepositories(repositories);
    throw new SlipwayFailure(
      'InvalidRequest',
      `no source package ${wanted} in ${where}\n${error.stderr.trim()}`,
      {
        items: [wanted],
        advice: 'Correct recipe.source, or add a repository that has it.',
        cause: error,
      },
    );
  }
}

/** What the signed index says of a file and what the .dsc says of it must be the same. */
function listedAs(file: ListedFile, files: readonly InputFile[], dsc: string): InputFile {
  const found = files.find(({ name }) => name === file.name);
  if (found === undefined || found.sha256 !== file.sha256 || found.size !== file.size) {
    throw new SlipwayFailure(
      'InputRejected',
      `${dsc} and the index of the repository differ about ${file.name}`,
    );
  }
  return found;
}

async function atUrl(
  source: AtUrl,
  { download }: SourceDependencies,
  context: StepContext,
): Promise<Located> {
  const name = lastSegment(source.url);
  if (!FileName.safeParse(name).success || !name.endsWith('.dsc')) {
    throw new SlipwayFailure('InvalidRequest', `recipe.source.url does not lead to a .dsc: ${source.url}`);
  }
  const content = await readDocument(source.url, DSC_LIMIT, download.transport, context.signal);
  const sha256 = createHash('sha256').update(content).digest('hex');
  if (source.sha256 !== undefined && source.sha256 !== sha256) {
    throw new SlipwayFailure(
      'InputRejected',
      `${source.url} has SHA-256 ${sha256} instead of ${source.sha256}`,
    );
  }
  const dsc = { name, urls: [source.url], size: content.length, sha256 };
  return {
    dsc,
    content,
    find: (file) => ({ ...file, urls: [new URL(encodeURIComponent(file.name), source.url).href] }),
  };
}

function lastSegment(url: string): string {
  try {
    return decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  } catch {
    return '';
  }
}

async function inStore(source: Stored, store: Store): Promise<Located> {
  const [first, ...others] = source.files.filter(({ name }) => name.endsWith('.dsc'));
  if (first === undefined || others.length > 0) {
    throw new SlipwayFailure('InvalidRequest', 'recipe.source.files must have exactly one .dsc');
  }
  const content = await readBlob(store, first.sha256, first.name);
  return {
    dsc: { ...first, urls: [], size: content.length },
    content,
    async find(file) {
      const given = source.files.find(({ name }) => name === file.name);
      if (given === undefined) {
        throw new SlipwayFailure(
          'InvalidRequest',
          `${first.name} lists ${file.name}, recipe.source.files does not`,
          {
            items: [file.name],
          },
        );
      }
      const size = await store.blobSize(given.sha256);
      if (size === undefined) {
        throw new SlipwayFailure('InvalidRequest', `the store has no blob ${given.sha256} (${file.name})`);
      }
      if (given.sha256 !== file.sha256 || size !== file.size) {
        throw new SlipwayFailure(
          'InputRejected',
          `${file.name} in the store is not what ${first.name} lists`,
        );
      }
      return { ...file, urls: [] };
    },
  };
}
