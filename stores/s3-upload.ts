import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Digest } from '../schema/digest.ts';
import { type Bucket, withSignal } from './s3-bucket.ts';
import { type SourceFile, wrongDigest } from './source-file.ts';

const MIB = 1024 * 1024;
/** Bytes of a part, and of the largest file that goes in one request. S3 wants at least 5 MiB. */
const PART = 8 * MIB;
const MOST_PARTS = 10_000;
/** Parts under way: with the size of a part the memory that an upload needs. */
const PARALLEL = 3;

/**
 * Uploads a file in one pass and bounded memory. Its object appears only when all of it has been read and has the
 * digest.
 * @throws SlipwayFailure InputRejected; the signal's reason
 */
export async function upload(
  bucket: Bucket,
  path: string,
  source: SourceFile,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hash = createHash('sha256');
  const partSize = Math.max(PART, Math.ceil(source.size / MOST_PARTS / MIB) * MIB);
  const first = Buffer.allocUnsafe(Math.min(partSize, Math.max(source.size + 1, MIB)));
  const verify = () => {
    const found = hash.digest('hex');
    if (found !== digest) throw wrongDigest(source.path, found, digest);
  };
  const length = await source.read(first);
  signal?.throwIfAborted();
  if (length < first.length) {
    const bytes = first.subarray(0, length);
    hash.update(bytes);
    verify();
    await bucket.put(path, bytes, signal === undefined ? {} : { signal });
    return;
  }
  const id = await start(bucket, path, signal);
  try {
    const read = readAfter(first, source);
    let size = 0;
    const next = async (buffer: Buffer) => {
      signal?.throwIfAborted();
      const part = buffer.subarray(0, await read(buffer));
      hash.update(part);
      size += part.length;
      return part;
    };
    const parts = await sendParts(bucket, path, id, partSize, next, signal);
    verify();
    signal?.throwIfAborted();
    await complete(bucket, path, id, { parts, size });
  } catch (error) {
    // What stays for now is swept a day later.
    await abortUpload(bucket, path, id).catch(() => undefined);
    throw error;
  }
}

/** Reads on behind what was read already. */
function readAfter(first: Buffer, source: SourceFile): (buffer: Buffer) => Promise<number> {
  let begun = false;
  return async (buffer) => {
    if (begun) return source.read(buffer);
    begun = true;
    first.copy(buffer);
    return first.length + (await source.read(buffer.subarray(first.length)));
  };
}

async function start(bucket: Bucket, path: string, signal: AbortSignal | undefined): Promise<string> {
  const { client } = bucket.connection;
  // The SDK sends one with each part unless AWS's settings say otherwise; S3 wants to know beforehand.
  const sums = (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED';
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({
      ...bucket.at(path),
      ...(sums ? { ChecksumAlgorithm: 'CRC32' } : {}),
    }),
    withSignal(signal),
  );
  if (UploadId === undefined) throw new SyntaxError('an upload without id');
  return UploadId;
}

/** Reads one part after the other while those before are under way, in as many buffers as may be. */
async function sendParts(
  bucket: Bucket,
  path: string,
  id: string,
  partSize: number,
  next: (buffer: Buffer) => Promise<Buffer>,
  signal: AbortSignal | undefined,
): Promise<CompletedPart[]> {
  const slots = Array.from({ length: PARALLEL }, () => ({
    buffer: Buffer.allocUnsafe(partSize),
    sent: Promise.resolve() as Promise<unknown>,
  }));
  const parts: CompletedPart[] = [];
  try {
    for (let number = 1; ; number += 1) {
      const slot = slots[number % PARALLEL] as (typeof slots)[number];
      await slot.sent;
      const body = await next(slot.buffer);
      if (body.length === 0) break;
      slot.sent = sendPart(bucket, path, id, number, body, signal).then((part) => {
        parts[number - 1] = part;
      });
      // Awaited when its buffer is wanted again, or at the end; until then a failure must not be "unhandled".
      slot.sent.catch(() => undefined);
      if (body.length < partSize) break;
    }
    await Promise.all(slots.map(({ sent }) => sent));
    return parts;
  } finally {
    // Parts under way would outlive an abort of their upload.
    await Promise.allSettled(slots.map(({ sent }) => sent));
  }
}

async function sendPart(
  bucket: Bucket,
  path: string,
  id: string,
  number: number,
  body: Buffer,
  signal: AbortSignal | undefined,
): Promise<CompletedPart> {
  const command = new UploadPartCommand({
    ...bucket.at(path),
    UploadId: id,
    PartNumber: number,
    Body: body,
    ContentLength: body.length,
  });
  const { $metadata: _, ...sent } = await bucket.connection.client.send(command, withSignal(signal));
  return {
    PartNumber: number,
    ETag: sent.ETag,
    ...(sent.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: sent.ChecksumCRC32 }),
  };
}

/** Done but reported as failed is done: what lies under a digest and has the size is it. */
async function complete(
  bucket: Bucket,
  path: string,
  id: string,
  { parts, size }: { parts: CompletedPart[]; size: number },
): Promise<void> {
  try {
    await bucket.connection.patient.send(
      new CompleteMultipartUploadCommand({
        ...bucket.at(path),
        UploadId: id,
        MultipartUpload: { Parts: parts },
      }),
    );
  } catch (error) {
    const found = await bucket.head(path).catch(() => undefined);
    if (found?.size !== size) throw error;
  }
}

/** Idempotent. */
export async function abortUpload(bucket: Bucket, path: string, id: string): Promise<void> {
  try {
    await bucket.connection.client.send(
      new AbortMultipartUploadCommand({ ...bucket.at(path), UploadId: id }),
    );
  } catch (error) {
    if ((error as Error).name !== 'NoSuchUpload') throw error;
  }
}
