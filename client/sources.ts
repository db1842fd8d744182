import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CommandFailed, run } from '../host/run.ts';
import type { DebianSource } from '../recipes/debian/schema.ts';
import { readDsc, signedText } from '../repositories/dsc.ts';
import type { Digest } from '../schema/digest.ts';
import type { Store } from '../stores/store.ts';
import { UsageError } from './exit-codes.ts';

/**
 * What a person names, as a request can say it: `hello`, `hello=2.10-3`, a URL of a .dsc; a path of a .dsc or of a
 * folder (a source tree, or one with exactly one .dsc), whose files go into the store.
 * @throws UsageError that says what is missing
 */
export async function sourceFrom(text: string, store: Store, signal?: AbortSignal): Promise<DebianSource> {
  if (/^https?:\/\//.test(text)) return { url: text };
  if (text.endsWith('.dsc')) return uploadDsc(resolve(text), store, signal);
  if (text.includes('/') || text === '.' || text === '..') return fromFolder(resolve(text), store, signal);
  const [name = '', version] = text.split('=');
  return version === undefined ? { name } : { name, version };
}

async function fromFolder(folder: string, store: Store, signal?: AbortSignal): Promise<DebianSource> {
  const stats = await stat(folder).catch(() => undefined);
  if (stats === undefined) throw new UsageError(`${folder} does not exist.`);
  if (!stats.isDirectory()) throw new UsageError(`${folder} is neither a folder nor a .dsc.`);
  if (await isFile(join(folder, 'debian', 'control'))) return fromTree(folder, store, signal);
  const found = (await readdir(folder)).filter((name) => name.endsWith('.dsc'));
  const [dsc] = found;
  if (dsc !== undefined && found.length === 1) return uploadDsc(join(folder, dsc), store, signal);
  throw new UsageError(
    found.length === 0
      ? `${folder} is no Debian source tree (no debian/control) and has no .dsc.`
      : `${folder} has more than one .dsc: ${found.sort().join(', ')}`,
    'Name the .dsc itself, or a folder with a Debian source tree.',
  );
}

/** Packs a copy of the tree: dpkg-source applies patches in place and leaves things behind. */
async function fromTree(tree: string, store: Store, signal?: AbortSignal): Promise<DebianSource> {
  const temporary = await mkdtemp(join(tmpdir(), 'slipway-source-'));
  try {
    const copy = join(temporary, 'tree');
    const isVersionControl = (path: string) => ['.git', '.hg', '.svn', '.bzr'].includes(basename(path));
    await cp(tree, copy, {
      recursive: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
      filter: (path) => path === tree || !isVersionControl(path),
    });
    await linkOriginals(dirname(tree), temporary);
    await packTree(tree, temporary, signal);
    const dsc = (await readdir(temporary)).find((name) => name.endsWith('.dsc'));
    if (dsc === undefined) throw new UsageError(`dpkg-source made no .dsc of ${tree}.`);
    return await uploadDsc(join(temporary, dsc), store, signal);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function linkOriginals(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (/\.orig(-[A-Za-z0-9-]+)?\.tar\.[a-z0-9]+(\.asc)?$/.test(name))
      await symlink(join(from, name), join(to, name));
  }
}

async function packTree(tree: string, temporary: string, signal?: AbortSignal): Promise<void> {
  const options = { cwd: temporary, ...(signal === undefined ? {} : { signal }) };
  try {
    await run(['dpkg-source', '--build', 'tree'], options);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    if (error.code === 'ENOENT')
      throw new UsageError('dpkg-source is not installed.', 'apt-get install dpkg-dev');
    const missing = /no upstream tarball found at (\S+)/.exec(error.stderr)?.[1];
    if (missing === undefined) {
      throw new UsageError(
        `dpkg-source cannot pack ${tree}:\n${error.stderr.trim()}`,
        'Correct the source tree.',
      );
    }
    throw new UsageError(
      `${tree} has the format 3.0 (quilt), which needs its upstream tarball: ${basename(missing)}`,
      `Put it into ${dirname(tree)}, or make the package native (debian/source/format).`,
    );
  }
}

async function uploadDsc(dsc: string, store: Store, signal?: AbortSignal): Promise<DebianSource> {
  const text = await readFile(dsc, 'utf8').catch((error: Error) => {
    throw new UsageError(`${dsc} cannot be read: ${error.message}`);
  });
  const listed = readDsc(signedText(text, dsc).text, dsc).files;
  const folder = dirname(dsc);
  const files: { name: string; sha256: Digest }[] = [];
  for (const { name, sha256 } of [{ name: basename(dsc), sha256: undefined }, ...listed]) {
    files.push({ name, sha256: await uploadFile(join(folder, name), store, sha256, signal) });
  }
  return { files };
}

/** Puts a local file into the store. @throws UsageError where it is missing or has another digest than expected */
export async function uploadFile(
  path: string,
  store: Store,
  expected?: Digest,
  signal?: AbortSignal,
): Promise<Digest> {
  if (!(await isFile(path))) {
    throw new UsageError(`${path} is missing${expected === undefined ? '' : '; the .dsc lists it'}.`);
  }
  const digest = await sha256Of(path);
  if (expected !== undefined && digest !== expected) {
    throw new UsageError(
      `${path} is not what the .dsc lists: SHA-256 ${digest} instead of ${expected}.`,
      'Fetch it again or make the source package anew.',
    );
  }
  await store.putFile(path, digest, signal);
  return digest;
}

async function sha256Of(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}
