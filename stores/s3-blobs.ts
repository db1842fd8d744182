import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { Digest } from '../schema/digest.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { checkedDigest } from './names.ts';
import type { Got } from './s3-bucket.ts';
import { asS3Unavailable } from './s3-failures.ts';
import { abortLeftOvers, ignoreForbidden } from './s3-left-overs.ts';
import { deleteUnlessTouched, touch } from './s3-presence.ts';
import type { S3Root } from './s3-root.ts';
import { upload } from './s3-upload.ts';
import { openSource } from './source-file.ts';
import { BlobMissing, type StoredBlob } from './store.ts';

const DEFAULT_LIMIT = 64 * 1024 * 1024;
/** Attempts in a row to go on with a transfer that brought no byte. */
const ATTEMPTS = 4;
const DAY = 86_400_000;

/** `blobs/<first two digits>/<digest>`: as in a folder, which some servers of S3 make of it. */
export async function putFile(
  root: S3Root,
  path: string,
  digest: Digest,
  signal?: AbortSignal,
): Promise<void> {
  const blob = blobPath(digest);
  signal?.throwIfAborted();
  await using source = await openSource(path);
  try {
    await touch(root, digest, signal);
    // A blob of another size was damaged after it was written: it is written anew.
    if ((await root.head(blob, signal))?.size === source.size) return;
    await upload(root, blob, source, digest, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

export async function putBytes(root: S3Root, bytes: Uint8Array): Promise<Digest> {
  const digest = createHash('sha256').update(bytes).digest('hex');
  const blob = blobPath(digest);
  await touch(root, digest);
  if ((await root.head(blob))?.size !== bytes.length) await root.put(blob, bytes);
  return digest;
}

export async function blobSize(root: S3Root, digest: Digest): Promise<number | undefined> {
  const found = await root.head(blobPath(digest));
  if (found === undefined) await root.confirm();
  return found?.size;
}

export async function readBlob(root: S3Root, digest: Digest): Promise<Readable> {
  const first = await getBlob(root, digest);
  const stream = Readable.from(whole(root, digest, first), { objectMode: false, highWaterMark: 1024 * 1024 });
  // A reader that stops before its first byte has not even begun what would close the connection.
  return stream.once('close', () => first.body.destroy());
}

export async function readBytes(root: S3Root, digest: Digest, limit = DEFAULT_LIMIT): Promise<Uint8Array> {
  const first = await getBlob(root, digest);
  if (first.length > limit) {
    first.body.destroy();
    throw new RangeError(`blob ${digest} has ${first.length} bytes, the limit is ${limit}`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of whole(root, digest, first)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found === digest) return bytes;
  const where = `${root.location}/${blobPath(digest)}`;
  throw new SlipwayFailure('StoreUnavailable', `${where} is damaged: its content has SHA-256 ${found}`, {
    advice: `Delete ${where}: who uploads it again puts it right.`,
  });
}

/** All of a blob: a transfer that is cut goes on where it ended. */
async function* whole(root: S3Root, digest: Digest, first: Got): AsyncGenerator<Buffer> {
  const { length, etag } = first;
  let body: Readable | undefined = first.body;
  let at = 0;
  for (let left = ATTEMPTS; ; ) {
    try {
      body ??= (await root.get(blobPath(digest), { range: `bytes=${at}-`, etag }))?.body;
      if (body === undefined) throw new BlobMissing(digest, root.location);
      for await (const chunk of body as AsyncIterable<Buffer>) {
        at += chunk.length;
        left = ATTEMPTS;
        yield chunk;
      }
      if (at >= length) return;
      throw Object.assign(new Error(`cut after ${at} of ${length} bytes`), { code: 'ECONNRESET' });
    } catch (error) {
      left -= 1;
      if (left === 0 || error instanceof BlobMissing) throw asS3Unavailable(error, root.location);
      await pause(200 * (ATTEMPTS - left) ** 2);
    } finally {
      body?.destroy();
      body = undefined;
    }
  }
}

/** Merges two listings of the same order: the blobs, and what was last said of them. */
export async function* listBlobs(root: S3Root): AsyncGenerator<StoredBlob> {
  await root.confirm();
  await abortLeftOvers(root).catch(ignoreForbidden);
  const touches = root.list('touched/');
  let touched = (await touches.next()).value;
  for await (const { path, size, modified } of root.list('blobs/')) {
    const key = path.slice('blobs/'.length);
    while (touched !== undefined && touched.path.slice('touched/'.length) < key) {
      // Of a blob that never came.
      if (Date.now() - touched.modified.getTime() > DAY) await root.remove(touched.path);
      touched = (await touches.next()).value;
    }
    const isTouched = touched?.path.slice('touched/'.length) === key;
    const putAt = isTouched && touched && touched.modified > modified ? touched.modified : modified;
    yield { digest: key.slice(key.indexOf('/') + 1), size, putAt };
  }
}

export async function deleteBlob(root: S3Root, digest: Digest, unlessAfter: Date): Promise<boolean> {
  return deleteUnlessTouched(root, blobPath(digest), digest, unlessAfter);
}

async function getBlob(root: S3Root, digest: Digest): Promise<Got> {
  const found = await root.get(blobPath(digest));
  if (found !== undefined) return found;
  await root.confirm();
  throw new BlobMissing(digest, root.location);
}

function blobPath(digest: Digest): string {
  return `blobs/${checkedDigest(digest).slice(0, 2)}/${digest}`;
}
