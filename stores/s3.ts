import type { Readable } from 'node:stream';
import { blobSize, deleteBlob, listBlobs, putBytes, putFile, readBlob, readBytes } from './s3-blobs.ts';
import { connectToS3, type S3ConnectionOptions, type S3Place } from './s3-connection.ts';
import { asS3Unavailable } from './s3-failures.ts';
import { abortLeftOvers, ignoreForbidden } from './s3-left-overs.ts';
import { createS3Logs, listLogs, logSize, readLog } from './s3-logs.ts';
import { deleteRecord, listRecords, publish, readRecord } from './s3-records.ts';
import { openS3Root, type S3Root } from './s3-root.ts';
import type { Store } from './store.ts';

const DAY = 86_400_000;

/**
 * A store in a bucket of AWS S3, or of any server that has S3's strong consistency and conditional writes; shared by
 * any number of processes and hosts. The bucket exists; a prefix without objects becomes a new store at the first use.
 * Credentials come from AWS's standard chain.
 */
export function createS3Store(place: S3Place, options: S3ConnectionOptions = {}): Store {
  const connection = connectToS3(place, options);
  const { location } = connection;
  const logs = createS3Logs();
  let opening: Promise<S3Root> | undefined;
  let sweptAt: number | undefined;

  /** Opened at the first use, and again where that failed. */
  function root(): Promise<S3Root> {
    opening ??= openS3Root(connection).catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  async function using<Result>(work: (root: S3Root) => Promise<Result>): Promise<Result> {
    try {
      return await work(await root());
    } catch (error) {
      throw asS3Unavailable(error, location);
    }
  }

  async function* listing<Item>(work: (root: S3Root) => AsyncIterable<Item>): AsyncGenerator<Item> {
    try {
      yield* work(await root());
    } catch (error) {
      throw asS3Unavailable(error, location);
    }
  }

  /** Who uploads is who leaves uploads over: once a day, and not where only something is read. */
  async function sweep(root: S3Root): Promise<void> {
    const now = performance.now();
    if (sweptAt !== undefined && now - sweptAt < DAY) return;
    sweptAt = now;
    await abortLeftOvers(root).catch(ignoreForbidden);
  }

  return {
    location,
    putFile: (path, digest, signal) =>
      using(async (root) => {
        await sweep(root);
        await putFile(root, path, digest, signal);
      }),
    putBytes: (bytes) => using((root) => putBytes(root, bytes)),
    blobSize: (digest) => using((root) => blobSize(root, digest)),
    readBlob: (digest): Promise<Readable> => using((root) => readBlob(root, digest)),
    readBytes: (digest, limit) => using((root) => readBytes(root, digest, limit)),
    publish: (name, bytes) => using((root) => publish(root, name, bytes)),
    readRecord: (name) => using((root) => readRecord(root, name)),
    listRecords: (prefix) => listing((root) => listRecords(root, prefix)),
    deleteRecord: (name) => using((root) => deleteRecord(root, name)),
    listBlobs: () => listing(listBlobs),
    deleteBlob: (digest, unlessAfter) => using((root) => deleteBlob(root, digest, unlessAfter)),
    listLogs: () => listing(listLogs),
    appendLog: (stream, offset, bytes) => using((root) => logs.appendLog(root, stream, offset, bytes)),
    logSize: (stream) => using((root) => logSize(root, stream)),
    readLog: (stream, offset, limit) => using((root) => readLog(root, stream, offset, limit)),
    deleteLog: (stream) => using((root) => logs.deleteLog(root, stream)),
  };
}
