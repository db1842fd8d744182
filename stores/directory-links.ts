import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ignoreMissing, syncFolder } from '../host/atomic-file.ts';
import type { Digest } from '../schema/digest.ts';
import type { Root } from './directory-root.ts';
import { wrongDigest } from './source-file.ts';
import type { GivenFile } from './store.ts';

const CHUNK = 1024 * 1024;
/** Another filesystem, one without hard links, one link too many, or somebody else's file. */
const CANNOT = new Set(['EXDEV', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EPERM', 'EACCES']);

/**
 * Makes a file that nobody writes to any more the blob itself, where it lies on the store's filesystem: nothing is
 * copied, and nothing is read where its digest is known. False where that cannot be; nothing has changed then.
 * @throws SlipwayFailure InputRejected where it has another digest; the signal's reason
 */
export async function linkBlob(
  root: Root,
  path: string,
  { source, digest, given }: { source: string; digest: Digest; given: GivenFile },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const found = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined);
  // Who cannot read it says so as for every other file.
  if (found === undefined) return false;
  await using file = found;
  const before = await file.stat({ bigint: true });
  if (!before.isFile()) return false;
  const known = given.digestOf(before);
  const temporary = root.temporary();
  if (!(await tryLink(source, temporary))) return false;
  try {
    const linked = await lstat(temporary, { bigint: true });
    if (linked.ino !== before.ino || linked.dev !== before.dev) return false;
    const sha256 = known ?? (await hashOf(file, signal));
    if (sha256 !== digest) throw wrongDigest(source, sha256, digest);
    signal?.throwIfAborted();
    await seal(file);
    await root.makeFolder(dirname(path));
    await rename(temporary, path);
  } finally {
    // Still there where it failed, or where the blob is this very file already: rename does nothing then.
    await unlink(temporary).catch(ignoreMissing);
  }
  await syncFolder(dirname(path));
  return true;
}

async function tryLink(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    if (CANNOT.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** As every blob is: on the disk, for anyone to read, put now. */
async function seal(file: FileHandle): Promise<void> {
  const now = new Date();
  await file.chmod(0o444);
  await file.utimes(now, now);
  await file.sync();
}

async function hashOf(file: FileHandle, signal: AbortSignal | undefined): Promise<Digest> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let at = 0; ; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, CHUNK, at);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}
