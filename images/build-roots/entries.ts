import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing, TEMPORARY_PREFIX } from '../../host/atomic-file.ts';
import { withFileLock } from '../../host/file-lock.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import type { KeptRoot } from './build-roots.ts';
import { DISK } from './manifest.ts';

/** Folder of the kept roots in that of a host's caches. */
export const ROOTS = 'build-roots';

const KEY = /^[0-9a-f]{64}$/;
/** A root that is being written, and one that is being deleted. */
const ASIDE = '.aside-';
const GONE = '.gone-';
/** In a root that is being written: held by the process that writes it. */
export const WRITER_LOCK = 'lock';
/** Longest wait for another process; what takes long is done without the lock. */
const LOCK_SECONDS = 30;

/** Keys name folders. @throws RangeError */
export function checkedKey(key: string): string {
  if (!KEY.test(key)) throw new RangeError(`not the key of a build root: ${JSON.stringify(key)}`);
  return key;
}

/** What may be done with the folder of kept roots while nobody else of the host changes it. */
export interface Changes {
  /** Takes a root, or what is left of one, out of its place; it is deleted when the lock is given back. */
  remove(path: string): Promise<void>;
}

/**
 * Runs `work` while nobody else of the host changes the folder, which is made where it is missing. What `work` removes is
 * deleted afterwards; where this is killed in between, by the next that sweeps.
 * @throws SlipwayFailure HostFull where another process holds the lock for long
 */
export async function changing<Result>(
  folder: string,
  work: (changes: Changes) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const gone: string[] = [];
  const remove = async (path: string) => {
    const target = join(folder, `${GONE}${randomUUID()}`);
    await rename(path, target);
    gone.push(target);
  };
  try {
    return await withFileLock(join(folder, '.lock'), LOCK_SECONDS, () => work({ remove }), signal);
  } finally {
    for (const path of gone) await rm(path, { recursive: true, force: true });
  }
}

/** All kept roots of a folder, used longest ago first. */
export async function keptRoots(folder: string): Promise<KeptRoot[]> {
  const found: KeptRoot[] = [];
  for (const key of await names(folder)) {
    if (!KEY.test(key)) continue;
    const path = join(folder, key);
    const root = await keptRoot(path);
    if (root !== undefined) found.push({ key, path, ...root });
  }
  return found.sort((a, b) => a.usedAt - b.usedAt);
}

/** Undefined where there is none. What it takes is what the filesystem says, not what it claims. */
export async function keptRoot(path: string): Promise<Pick<KeptRoot, 'bytes' | 'usedAt'> | undefined> {
  const stats = await lstat(path).catch(ignoreMissing);
  if (!stats?.isDirectory()) return undefined;
  const disk = await lstat(join(path, DISK)).catch(ignoreMissing);
  return { bytes: (disk?.blocks ?? 0) * 512, usedAt: stats.mtimeMs };
}

/** The folder of a root that is being written. */
export function newAside(folder: string): string {
  return join(folder, `${ASIDE}${randomUUID()}`);
}

/** Removes what killed processes have left; what a living one writes is locked. */
export async function sweep(folder: string, { remove }: Changes): Promise<void> {
  for (const name of await names(folder)) {
    const path = join(folder, name);
    if (name.startsWith(GONE)) await remove(path);
    // Written only under the lock that is held here.
    if (name.startsWith(TEMPORARY_PREFIX)) await unlink(path).catch(ignoreMissing);
    if (name.startsWith(ASIDE) && !(await isHeld(join(path, WRITER_LOCK)))) await remove(path);
  }
}

async function isHeld(lock: string): Promise<boolean> {
  try {
    await withFileLock(lock, 0, async () => undefined);
    return false;
  } catch (error) {
    if (error instanceof SlipwayFailure && error.type === 'HostFull') return true;
    throw error;
  }
}

async function names(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(ignoreMissing)) ?? [];
}
