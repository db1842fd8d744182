import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing, writeFileAtomic } from '../host/atomic-file.ts';
import { bootId } from '../host/boot-time.ts';
import { CommandFailed } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { digestOf } from './partial-file.ts';

/** One file of package lists: a Release file by its content, any other by what apt's own caches go by. */
export interface ListFile {
  name: string;
  size: number;
  /** SHA-256 of a Release file. */
  sha256?: string;
  /** Inode and time of modification of another. */
  stamp?: string;
}

/** In a folder with `lists`: what they were when they were last whole. */
export const MANIFEST = 'manifest.json';

/**
 * Brings kept lists up to date, by the one process that holds their lock, and says what they are then. apt takes lists on
 * trust that belong to a Release file which has not changed: so what a killed update, a crash of the host or anything
 * else left otherwise than the last whole update did is thrown away and fetched anew.
 * @param update runs `apt-get update` in that root
 * @throws what `update` throws
 */
export async function updateKept<Result>(
  directory: string,
  update: () => Promise<Result>,
): Promise<{ result: Result; files: ListFile[] }> {
  const lists = join(directory, 'lists');
  if (!(await isWhole(directory))) {
    await rm(join(directory, MANIFEST), { force: true });
    await clear(lists);
  }
  // What was half fetched: apt would go on with it, and stumble where it is damaged.
  await rm(join(lists, 'partial'), { recursive: true, force: true });
  await mkdir(join(lists, 'partial'), { recursive: true });
  try {
    const result = await update();
    return { result, files: await seal(directory) };
  } catch (error) {
    // What apt ended by itself is whole, too: of several repositories some may be new.
    if (isOver(error)) await seal(directory);
    throw error;
  }
}

function isOver(error: unknown): boolean {
  if (!(error instanceof SlipwayFailure)) return false;
  return !(error.cause instanceof CommandFailed) || error.cause.exitCode !== undefined;
}

/** Whether lists are as they were sealed, since this boot; and `beside`, other files of the folder. */
export async function isWhole(folder: string, beside: readonly string[] = []): Promise<boolean> {
  const sealed = await readFile(join(folder, MANIFEST), 'utf8').catch(ignoreMissing);
  if (sealed === undefined) return false;
  return sealed === manifest(await listFiles(folder), await digests(folder, beside));
}

/** Says that the lists of a folder are whole as they are now. */
export async function seal(folder: string, beside: readonly string[] = []): Promise<ListFile[]> {
  const files = await listFiles(folder);
  const text = manifest(files, await digests(folder, beside));
  const path = join(folder, MANIFEST);
  if ((await readFile(path, 'utf8').catch(ignoreMissing)) !== text) await writeFileAtomic(path, text);
  return files;
}

/** apt does not wait until its lists are on the disk: after a crash of the host they may have holes. */
function manifest(files: readonly ListFile[], beside: readonly string[]): string {
  return JSON.stringify({ boot: bootId(), files, beside });
}

async function digests(folder: string, names: readonly string[]): Promise<string[]> {
  return await Promise.all(names.map(async (name) => (await digestOf(join(folder, name))) ?? ''));
}

async function listFiles(folder: string): Promise<ListFile[]> {
  const lists = join(folder, 'lists');
  const entries = await readdir(lists, { withFileTypes: true }).catch(ignoreMissing);
  const names = (entries ?? [])
    .filter((entry) => entry.isFile() && entry.name !== 'lock')
    .map(({ name }) => name);
  return await Promise.all(names.sort().map((name) => listFile(lists, name)));
}

async function listFile(lists: string, name: string): Promise<ListFile> {
  const path = join(lists, name);
  if (/_(In)?Release(\.gpg)?$/.test(name)) {
    const bytes = await readFile(path);
    return { name, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  }
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return { name, size: Number(size), stamp: `${ino} ${mtimeNs}` };
}

async function clear(folder: string): Promise<void> {
  for (const name of (await readdir(folder).catch(ignoreMissing)) ?? []) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
