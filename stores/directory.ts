import { resolve } from 'node:path';
import {
  blobSize,
  deleteBlob,
  listBlobs,
  putBytes,
  putFile,
  readBlob,
  readBytes,
} from './directory-blobs.ts';
import { appendLog, deleteLog, listLogs, logSize, readLog } from './directory-logs.ts';
import { deleteRecord, listRecords, publish, readRecord } from './directory-records.ts';
import { openRoot, type Root } from './directory-root.ts';
import type { Store } from './store.ts';
import { asStoreUnavailable } from './unavailable.ts';

/**
 * A store in a folder, shared by any number of processes, and of hosts where its filesystem is: it must have hard links
 * and atomic rename (any local one, NFS). The folder exists; an empty one becomes a new store at the first use. What
 * is put is on the disk when the call returns.
 */
export function createDirectoryStore({ directory }: { directory: string }): Store {
  const location = resolve(directory);
  let opening: Promise<Root> | undefined;

  /** Opened at the first use, and again where that failed: a store that is not mounted yet may be later. */
  function root(): Promise<Root> {
    opening ??= openRoot(location).catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  async function using<Result>(work: (root: Root) => Promise<Result>): Promise<Result> {
    try {
      return await work(await root());
    } catch (error) {
      throw asStoreUnavailable(error, location);
    }
  }

  async function* listing<Item>(work: (root: Root) => AsyncIterable<Item>): AsyncGenerator<Item> {
    try {
      yield* work(await root());
    } catch (error) {
      throw asStoreUnavailable(error, location);
    }
  }

  return {
    location,
    putFile: (path, digest, signal, given) => using((root) => putFile(root, path, digest, { signal, given })),
    putBytes: (bytes) => using((root) => putBytes(root, bytes)),
    blobSize: (digest) => using((root) => blobSize(root, digest)),
    readBlob: (digest) => using((root) => readBlob(root, digest)),
    readBytes: (digest, limit) => using((root) => readBytes(root, digest, limit)),
    publish: (name, bytes) => using((root) => publish(root, name, bytes)),
    readRecord: (name) => using((root) => readRecord(root, name)),
    listRecords: (prefix) => listing((root) => listRecords(root, prefix)),
    deleteRecord: (name) => using((root) => deleteRecord(root, name)),
    listBlobs: () => listing(listBlobs),
    deleteBlob: (digest, unlessAfter) => using((root) => deleteBlob(root, digest, unlessAfter)),
    listLogs: () => listing(listLogs),
    appendLog: (stream, offset, bytes) => using((root) => appendLog(root, stream, offset, bytes)),
    logSize: (stream) => using((root) => logSize(root, stream)),
    readLog: (stream, offset, limit) => using((root) => readLog(root, stream, offset, limit)),
    deleteLog: (stream) => using((root) => deleteLog(root, stream)),
  };
}
