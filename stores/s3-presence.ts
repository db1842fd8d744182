import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Digest } from '../schema/digest.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Bucket } from './s3-bucket.ts';

/**
 * Who puts a blob that is there already only says so, by an object `touched/…` without content; who deletes one says
 * so before, by `doomed/<digest>!<own name>`. Each writes its own first and then reads the other's, and S3 shows every
 * write that has returned: so at least one of them sees the other, and no blob is lost to one who put it
 * (docs/adr/0016).
 */
const NOTHING = new Uint8Array();

/** Milliseconds: a deletion that was announced is done after this time, or never. */
const DELETION_MS = 300_000;
/** Milliseconds: an announcement older than this is of a deleter that died: its requests' signatures are too old too. */
const DEAD_MS = 1_800_000;
const WAIT_MS = 60_000;
/** Times of objects are whole seconds. */
const SECOND = 1000;

/** Says that a blob is wanted. No deletion that began before is under way when this returns, and each later one sees it. */
export async function touch(bucket: Bucket, digest: Digest, signal?: AbortSignal): Promise<void> {
  const until = performance.now() + WAIT_MS;
  for (;;) {
    await bucket.put(touchedPath(digest), NOTHING, signal === undefined ? {} : { signal });
    if (!(await isDoomed(bucket, digest))) return;
    if (performance.now() > until) {
      throw new SlipwayFailure(
        'StoreUnavailable',
        `the store ${bucket.connection.location} is about to delete the blob ${digest} and does not get on with it`,
        { advice: 'It is tried again; a deletion (slipway gc) that died is ignored half an hour later.' },
      );
    }
    // The deletion takes our word away with the blob: said again.
    await pause(200, undefined, signal === undefined ? {} : { signal });
  }
}

async function isDoomed(bucket: Bucket, digest: Digest): Promise<boolean> {
  for await (const { path, modified } of bucket.list(doomedPath(digest))) {
    const now = await bucket.head(touchedPath(digest));
    const isDead = now !== undefined && now.modified.getTime() - modified.getTime() > DEAD_MS;
    if (!isDead) return true;
    await bucket.remove(path);
  }
  return false;
}

/** As `deleteBlob` of a store; `blob` is the path of the blob. */
export async function deleteUnlessTouched(
  bucket: Bucket,
  blob: string,
  digest: Digest,
  unlessAfter: Date,
): Promise<boolean> {
  const mark = `${doomedPath(digest)}${randomUUID()}`;
  const began = performance.now();
  await bucket.put(mark, NOTHING);
  try {
    // Of the server's clock the marks alone tell; rounding and delays make this too small, which keeps the blob.
    const ahead = ((await bucket.head(mark))?.modified.getTime() ?? 0) - Date.now();
    const put = await lastPut(bucket, blob, digest);
    if (put !== undefined && put.getTime() + SECOND > unlessAfter.getTime() + ahead) return false;
    if (performance.now() - began > DELETION_MS) {
      throw new SlipwayFailure(
        'StoreUnavailable',
        `the store ${bucket.connection.location} was too slow to delete the blob ${digest} safely`,
      );
    }
    await bucket.remove(blob);
    await bucket.remove(touchedPath(digest));
    return true;
  } finally {
    await bucket.remove(mark);
  }
}

async function lastPut(bucket: Bucket, blob: string, digest: Digest): Promise<Date | undefined> {
  const [stored, touched] = await Promise.all([bucket.head(blob), bucket.head(touchedPath(digest))]);
  return stored && touched && touched.modified > stored.modified ? touched.modified : stored?.modified;
}

export function touchedPath(digest: Digest): string {
  return `touched/${digest.slice(0, 2)}/${digest}`;
}

function doomedPath(digest: Digest): string {
  return `doomed/${digest}!`;
}
