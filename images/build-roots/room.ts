import { stat } from 'node:fs/promises';
import { ignoreMissing } from '../../host/atomic-file.ts';
import { freeSpace } from '../../host/scratch.ts';
import { type Changes, changing, keptRoot, keptRoots } from './entries.ts';

export interface RoomLimits {
  /** Bytes that all kept roots together may take. */
  maxBytes: number;
  /** Bytes of the filesystem that stay free beside them. */
  leastFreeBytes: number;
}

/**
 * Makes room for so many bytes more, of which `written` are on the disk already: deletes kept roots, used longest ago
 * first, while the limits would be exceeded. Nothing is deleted where that would not do.
 * @returns why there is no room; undefined where there is
 */
export async function roomFor(
  folder: string,
  { bytes, written = 0 }: { bytes: number; written?: number },
  limits: RoomLimits,
  changes: Changes,
): Promise<string | undefined> {
  if (bytes > limits.maxBytes) return `it has ${mib(bytes)}, buildRoots.size is ${mib(limits.maxBytes)}`;
  const roots = await keptRoots(folder);
  const held = roots.reduce((sum, root) => sum + root.bytes, 0);
  const free = (await freeSpace(folder)).bytes;
  const needed = Math.max(
    held + bytes - limits.maxBytes,
    limits.leastFreeBytes + Math.max(0, bytes - written) - free,
  );
  if (needed > held) {
    return `it has ${mib(bytes)}, ${folder} has ${mib(free)} free, and buildRoots.leaveFree is ${mib(limits.leastFreeBytes)}`;
  }
  await evict(roots, needed, changes);
  return undefined;
}

/** Deletes roots until so many bytes should be free, none where nothing is needed. Returns the bytes. */
export async function evict(
  roots: readonly { path: string; bytes: number }[],
  needed: number,
  { remove }: Changes,
): Promise<number> {
  let freed = 0;
  for (const { path, bytes } of roots) {
    if (freed >= needed) break;
    await remove(path);
    freed += bytes;
  }
  return freed;
}

/**
 * Deletes roots that were not used again meanwhile; who copies one just now goes on.
 * @returns the paths of those that went
 */
export async function removeUnused(
  folder: string,
  roots: readonly { path: string; usedAt: number }[],
): Promise<string[]> {
  const removed: string[] = [];
  await changing(folder, async ({ remove }) => {
    for (const { path, usedAt } of roots) {
      const now = await keptRoot(path);
      if (now === undefined || now.usedAt > usedAt) continue;
      await remove(path);
      removed.push(path);
    }
  });
  return removed;
}

/** Whether two folders share their room; false where one is missing. */
export async function sameFilesystem(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map((path) => stat(path).catch(ignoreMissing)));
  return first !== undefined && first.dev === second?.dev;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
