import { link, mkdir, readdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepContext } from '../host/progress.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Artifact } from '../schema/result.ts';
import { readBlockList } from './block-list.ts';
import { threadsFor } from './copy-threads.ts';
import type { Entry, FileEntry } from './entries.ts';
import { readList } from './letter.ts';
import type { Boot } from './letter-box-header.ts';
import { openRaw } from './raw-device.ts';
import { ThrottledProgress } from './throttled-progress.ts';
import { type FileOrders, writeFiles } from './write-files.ts';
import type { WrittenFiles } from './written-files.ts';

export interface Extraction extends Boot, StepContext {
  /** Raw disk and swap of a guest that has ended: regular files or block devices. */
  disk: string;
  swap: string;
  /** `bytes` of all artifacts, holes included; `files`: entries of every kind. */
  limits: { bytes: number; files: number };
  /** An empty folder on the host. */
  into: string;
  /** Is told of each file, for who puts it somewhere next. */
  written?: WrittenFiles;
  /** Threads that copy and hash; 0: none but the caller's. Default: by how much there is to do. */
  threads?: number;
}

/**
 * Takes the artifacts of a guest from its raw disk. Everything is checked before anything is written; where it fails or
 * is stopped nothing is left in `into`. Folders become mode 0700, files 0600 or 0700: the host needs no more, and
 * special bits are gone with it. Memory does not grow with the size of the artifacts.
 * @throws SlipwayFailure NoStatus (no valid header of this boot), ArtifactsRejected (a rule is broken; names entry and
 *   rule), ScratchFull; the signal's reason; the system's error where disk or swap cannot be read
 */
export async function extractArtifacts(extraction: Extraction): Promise<Artifact[]> {
  const { into, limits, signal } = extraction;
  if ((await readdir(into)).length > 0) throw new Error(`${into} must be empty to extract artifacts into it`);
  const list = await readList(extraction.swap, extraction, signal);
  await using disk = await openRaw(extraction.disk);
  await using swap = await openRaw(extraction.swap);
  const checked = await readBlockList(list, { ...limits, disk: disk.size, swap: swap.size }, signal);
  const progress = new ThrottledProgress(checked.bytes, extraction.report);
  const { entries, bytes } = checked;
  const threads = extraction.threads ?? threadsFor(bytes, entries.length);
  const orders = { list, devices: { disk, swap }, into, threads, signal, progress };
  try {
    const artifacts = await writeEntries(entries, orders, extraction.written);
    progress.end();
    return artifacts;
  } catch (error) {
    await emptyFolder(into);
    throw typed(error, into);
  }
}

/** Folders first and links last: nothing is written through a link. */
async function writeEntries(
  entries: readonly Entry[],
  orders: FileOrders,
  known: WrittenFiles | undefined,
): Promise<Artifact[]> {
  const { into, signal } = orders;
  for (const entry of entries) {
    signal.throwIfAborted();
    if (entry.kind === 'folder') await mkdir(join(into, entry.path), 0o700);
  }
  const files = entries.filter((entry) => entry.kind === 'file');
  const digests = new Map<FileEntry, string>();
  for (const [i, { sha256, identity }] of (await writeFiles(files, orders)).entries()) {
    digests.set(files[i] as FileEntry, sha256);
    known?.remember(identity, sha256);
  }
  for (const entry of entries) {
    signal.throwIfAborted();
    const path = join(into, entry.path);
    if (entry.kind === 'symlink') await symlink(entry.target, path);
    if (entry.kind !== 'hard link') continue;
    await link(join(into, entry.file.path), path);
    // One name more is a change of the file.
    known?.remember(await stat(path, { bigint: true }), digests.get(entry.file) as string);
  }
  return entries.map((entry) => artifactOf(entry, digests));
}

function artifactOf(entry: Entry, digests: ReadonlyMap<FileEntry, string>): Artifact {
  const { path } = entry;
  if (entry.kind === 'folder') return { path, kind: 'directory', size: 0, executable: false };
  if (entry.kind === 'symlink')
    return { path, kind: 'symlink', size: 0, target: entry.target, executable: false };
  const file = entry.kind === 'file' ? entry : entry.file;
  const sha256 = digests.get(file) as string;
  return { path, kind: 'file', size: file.size, sha256, executable: file.executable };
}

async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}

function typed(error: unknown, into: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const message = `no room for the artifacts in ${into}: free space there`;
  return new SlipwayFailure('ScratchFull', message, { phase: 'extract', cause: error });
}
