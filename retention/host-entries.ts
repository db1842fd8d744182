import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { keptRoots, ROOTS } from '../images/build-roots/entries.ts';
import { treeSize } from '../images/tree-size.ts';
import type { Digest } from '../schema/digest.ts';

/** Something in the caches of a host that can be had again. */
export interface CacheEntry {
  /**
   * `input`: a file by its digest; `partial`: the beginning of one; `unpacked`: a folder with packages unpacked, a
   * kernel for instance; `lists`: package lists of a set of repositories; `root`: a kept build root.
   */
  kind: 'input' | 'partial' | 'unpacked' | 'lists' | 'root';
  path: string;
  bytes: number;
  /** Milliseconds since 1970; when somebody last took it. */
  usedAt: number;
  /** Of an input. */
  digest?: Digest;
}

const DIGEST = /^[0-9a-f]{64}$/;

/**
 * All of a host's caches. What is there and nobody knows is left out. Who uses something sets its time of modification:
 * the time of access is not kept everywhere, and looking into a folder would count as use.
 */
export async function cacheEntries(cache: string): Promise<CacheEntry[]> {
  return [
    ...(await inputs(join(cache, 'inputs', 'sha256'))),
    ...(await partials(join(cache, 'inputs', 'partial'))),
    ...(await unpacked(cache)),
    ...(await lists(join(cache, 'lists', 'sets'))),
    ...(await roots(join(cache, ROOTS))),
  ];
}

async function inputs(folder: string): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const two of await names(folder)) {
    for (const digest of await names(join(folder, two))) {
      const path = join(folder, two, digest);
      const found = await lstat(path).catch(ignoreMissing);
      if (!found?.isFile() || !DIGEST.test(digest)) continue;
      entries.push({ kind: 'input', path, bytes: found.size, usedAt: found.mtimeMs, digest });
    }
  }
  return entries;
}

async function partials(folder: string): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const name of await names(folder)) {
    const path = join(folder, name);
    const found = await lstat(path).catch(ignoreMissing);
    if (found?.isFile() && DIGEST.test(name.split('.')[0] ?? ''))
      entries.push({ kind: 'partial', path, bytes: found.size, usedAt: found.mtimeMs });
  }
  return entries;
}

/** Folders of `unpackOnce` (guest/unpacked.ts), known by the lock beside them: `kernels` and `kernels.lock`. */
async function unpacked(cache: string): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  const folders = (await names(cache))
    .filter((name) => name.endsWith('.lock'))
    .map((name) => name.slice(0, -5));
  for (const folder of folders) {
    for (const name of await names(join(cache, folder))) {
      const path = join(cache, folder, name);
      const found = await lstat(path).catch(ignoreMissing);
      if (!found?.isDirectory() || !DIGEST.test(name)) continue;
      entries.push({ kind: 'unpacked', path, bytes: await bytesOf(path), usedAt: found.mtimeMs });
    }
  }
  return entries;
}

async function lists(folder: string): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const name of await names(folder)) {
    const path = join(folder, name);
    // Written anew by each resolution; without it the set is only just being made.
    const status = await lstat(join(path, 'status')).catch(ignoreMissing);
    if (status === undefined || !/^[0-9a-f]{16}$/.test(name)) continue;
    entries.push({ kind: 'lists', path, bytes: await bytesOf(path), usedAt: status.mtimeMs });
  }
  return entries;
}

async function roots(folder: string): Promise<CacheEntry[]> {
  const kept = await keptRoots(folder);
  return kept.map(({ path, bytes, usedAt }) => ({ kind: 'root', path, bytes, usedAt }));
}

/** When an entry of the same kind was last used, now. 0: it is gone. */
export async function lastUse({ kind, path }: CacheEntry): Promise<number> {
  const found = await lstat(kind === 'lists' ? join(path, 'status') : path).catch(ignoreMissing);
  return found?.mtimeMs ?? 0;
}

async function names(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTDIR') ignoreMissing(error);
    return [];
  });
}

async function bytesOf(folder: string): Promise<number> {
  return (await treeSize(folder, AbortSignal.timeout(600_000))).bytes;
}
