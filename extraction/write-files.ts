import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { extentsOf } from './block-list.ts';
import { ContentCopier } from './content-copier.ts';
import type { Copied, CopyTask } from './copy-task.ts';
import { copyInThreads } from './copy-threads.ts';
import type { FileEntry } from './entries.ts';
import type { Extent } from './list-lines.ts';
import type { RawDevice } from './raw-device.ts';
import type { ThrottledProgress } from './throttled-progress.ts';

export interface FileOrders {
  /** The list that the entries are of. */
  list: Buffer;
  devices: Readonly<Record<Extent['device'], RawDevice>>;
  /** Folder whose folders are all made. */
  into: string;
  /** 0: in this thread, never blocking it. */
  threads: number;
  signal: AbortSignal;
  progress: ThrottledProgress;
}

/** Writes the files of a checked list and hashes them in the same pass. In the order of `files`. */
export async function writeFiles(files: readonly FileEntry[], orders: FileOrders): Promise<Copied[]> {
  const { threads, devices, signal, progress } = orders;
  progress.what = files.at(-1)?.path ?? '';
  if (files.length === 0) return [];
  if (threads === 0) return oneByOne(files, orders);
  return copyInThreads(
    files.map((entry) => taskOf(entry, orders)),
    {
      devices: { disk: devices.disk.fd, swap: devices.swap.fd },
      threads,
      signal,
      copied: (bytes) => progress.add(bytes),
    },
  );
}

function taskOf({ path, size, executable, extents }: FileEntry, { list, into }: FileOrders): CopyTask {
  const lines = list.subarray(extents.from, extents.to);
  return { path: join(into, path), size, mode: modeOf(executable), extents: lines, hashedBeside: false };
}

async function oneByOne(files: readonly FileEntry[], orders: FileOrders): Promise<Copied[]> {
  const { devices, signal, progress } = orders;
  const copier = new ContentCopier(devices, signal, (bytes) => progress.add(bytes));
  const written: Copied[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    progress.what = file.path;
    written.push(await writeFile(file, copier, orders));
  }
  return written;
}

async function writeFile(
  entry: FileEntry,
  copier: ContentCopier,
  { list, into }: FileOrders,
): Promise<Copied> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  await using file = await open(join(into, entry.path), flags, modeOf(entry.executable));
  const sha256 = await copier.copy(extentsOf(list, entry), entry.size, file);
  const { dev, ino, ctimeNs } = await file.stat({ bigint: true });
  return { sha256, identity: { dev, ino, ctimeNs } };
}

function modeOf(executable: boolean): number {
  return executable ? 0o700 : 0o600;
}
