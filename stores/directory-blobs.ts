import { createHash } from 'node:crypto';
import { type FileHandle, link, open, readdir, rename, stat, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { ignoreMissing, syncFolder } from '../host/atomic-file.ts';
import type { Digest } from '../schema/digest.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { linkBlob } from './directory-links.ts';
import type { Root } from './directory-root.ts';
import { checkedDigest } from './names.ts';
import { openSource, type SourceFile, wrongDigest } from './source-file.ts';
import { BlobMissing, type GivenFile, type StoredBlob } from './store.ts';

/** Bytes read at a time: memory does not grow with a blob. */
const CHUNK = 1024 * 1024;
const DEFAULT_LIMIT = 64 * 1024 * 1024;

/** `blobs/<first two digits>/<digest>`: written (or linked) aside, verified, then renamed into place. */
export async function putFile(
  root: Root,
  source: string,
  digest: Digest,
  { signal, given }: { signal?: AbortSignal | undefined; given?: GivenFile | undefined } = {},
): Promise<void> {
  const path = blobPath(root, digest);
  await using file = await openSource(source);
  // A blob of another size was damaged after it was written: it is written anew.
  if (await keep(path, file.size)) return;
  if (given !== undefined && (await linkBlob(root, path, { source, digest, given }, signal))) return;
  await writeAside(root, path, async (target) => {
    const found = await copy(file, target, signal);
    if (found !== digest) throw wrongDigest(source, found, digest);
  });
}

export async function putBytes(root: Root, bytes: Uint8Array): Promise<Digest> {
  const digest = createHash('sha256').update(bytes).digest('hex');
  const path = blobPath(root, digest);
  if (!(await keep(path, bytes.length))) {
    await writeAside(root, path, (target) => target.writeFile(bytes));
  }
  return digest;
}

export async function blobSize(root: Root, digest: Digest): Promise<number | undefined> {
  const size = await sizeOf(blobPath(root, digest));
  if (size === undefined) await root.confirm();
  return size;
}

export async function readBlob(root: Root, digest: Digest): Promise<Readable> {
  return (await openBlob(root, digest)).createReadStream({ highWaterMark: CHUNK });
}

export async function readBytes(root: Root, digest: Digest, limit = DEFAULT_LIMIT): Promise<Uint8Array> {
  await using handle = await openBlob(root, digest);
  const { size } = await handle.stat();
  if (size > limit) throw new RangeError(`blob ${digest} has ${size} bytes, the limit is ${limit}`);
  const bytes = await handle.readFile();
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found === digest) return bytes;
  const path = blobPath(root, digest);
  throw new SlipwayFailure('StoreUnavailable', `${path} is damaged: its content has SHA-256 ${found}`, {
    advice: `Check the disk of the store, then delete ${path}: who uploads it again puts it right.`,
  });
}

/** Whether a blob of that size is there; it then counts as put now. */
async function keep(path: string, size: number): Promise<boolean> {
  if ((await sizeOf(path)) !== size) return false;
  const now = new Date();
  // Gone in between: somebody deletes it, and does not know that it is wanted again.
  const kept = await utimes(path, now, now).then(() => true, ignoreMissing);
  if (!kept) return false;
  await syncFolder(dirname(path));
  return true;
}

export async function* listBlobs(root: Root): AsyncGenerator<StoredBlob> {
  await root.confirm();
  const blobs = join(root.path, 'blobs');
  for (const folder of (await readdir(blobs).catch(ignoreMissing)) ?? []) {
    for (const digest of await readdir(join(blobs, folder))) {
      const found = await stat(join(blobs, folder, digest)).catch(ignoreMissing);
      if (found !== undefined) yield { digest, size: found.size, putAt: found.mtime };
    }
  }
}

/**
 * Moved aside before it is judged: who puts it again from then on finds nothing and writes it anew, and who did so just
 * before is seen by the time of the file, which then goes back.
 */
export async function deleteBlob(root: Root, digest: Digest, unlessAfter: Date): Promise<boolean> {
  const path = blobPath(root, digest);
  const found = await stat(path).catch(ignoreMissing);
  if (found === undefined) return true;
  if (found.mtime > unlessAfter) return false;
  const aside = root.temporary();
  const moved = await rename(path, aside).then(() => true, ignoreMissing);
  if (!moved) return true;
  const isWanted = (await stat(aside)).mtime > unlessAfter;
  if (isWanted) await link(aside, path).catch(ignoreExisting);
  await unlink(aside);
  return !isWanted;
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function openBlob(root: Root, digest: Digest): Promise<FileHandle> {
  const handle = await open(blobPath(root, digest)).catch(ignoreMissing);
  if (handle !== undefined) return handle;
  await root.confirm();
  throw new BlobMissing(digest, root.path);
}

/** Copies all of a file in one pass, each part written while it is hashed and the next one is read. */
async function copy(
  source: SourceFile,
  target: FileHandle,
  signal: AbortSignal | undefined,
): Promise<Digest> {
  const hash = createHash('sha256');
  const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const;
  let [reading, writing] = [source.read(buffers[0]), Promise.resolve()];
  try {
    for (let turn: 0 | 1 = 0; ; turn = turn === 0 ? 1 : 0) {
      const length = await reading;
      await writing;
      signal?.throwIfAborted();
      if (length === 0) return hash.digest('hex');
      const chunk = buffers[turn].subarray(0, length);
      writing = target.writeFile(chunk);
      // Awaited a turn later; until then a failure must not be "unhandled".
      writing.catch(() => undefined);
      reading = source.read(buffers[turn === 0 ? 1 : 0]);
      hash.update(chunk);
    }
  } finally {
    // Nothing goes on with files that are closed.
    await Promise.allSettled([reading, writing]);
  }
}

/** A reader finds nothing under the path, or all that `write` wrote; what fails leaves nothing. */
async function writeAside(
  root: Root,
  path: string,
  write: (target: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = root.temporary();
  try {
    {
      await using target = await open(temporary, 'wx', 0o444);
      await write(target);
      await target.sync();
    }
    await root.makeFolder(dirname(path));
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(ignoreMissing);
    throw error;
  }
  await syncFolder(dirname(path));
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(ignoreMissing))?.size;
}

function blobPath(root: Root, digest: Digest): string {
  return join(root.path, 'blobs', checkedDigest(digest).slice(0, 2), digest);
}
