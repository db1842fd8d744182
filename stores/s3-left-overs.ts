import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { Bucket } from './s3-bucket.ts';
import { abortUpload } from './s3-upload.ts';

const DAY = 86_400_000;

/**
 * Aborts the multipart uploads of this store that began more than a day ago: their writer is dead, and their parts
 * cost room that no listing of objects shows. Returns how many.
 */
export async function abortLeftOvers(bucket: Bucket, now: number = Date.now()): Promise<number> {
  const { client, bucket: Bucket, prefix } = bucket.connection;
  let aborted = 0;
  let from: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (;;) {
    const page = await client.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix: `${prefix}blobs/`, ...from }),
    );
    for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? []) {
      if (Initiated === undefined || now - Initiated.getTime() <= DAY) continue;
      await abortUpload(bucket, Key.slice(prefix.length), UploadId);
      aborted += 1;
    }
    if (!page.IsTruncated || page.NextKeyMarker === undefined) return aborted;
    from = {
      KeyMarker: page.NextKeyMarker,
      ...(page.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: page.NextUploadIdMarker }),
    };
  }
}

/** Who may not list uploads, or cannot, leaves them to who can. */
export function ignoreForbidden(error: unknown): void {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  if (name !== 'NotImplemented' && $metadata?.httpStatusCode !== 403 && $metadata?.httpStatusCode !== 501)
    throw error;
}
