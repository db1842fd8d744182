import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { InputFile } from '../schema/lock.ts';
import { BlobMissing, type Store } from '../stores/store.ts';
import { Changed } from './download.ts';
import { GrowingDigest, sizeOf } from './partial-file.ts';
import { Gone, Unreachable } from './transport.ts';

export type KeepingStore = Pick<Store, 'readBlob' | 'blobSize' | 'putFile' | 'deleteBlob' | 'location'>;

const FOREVER = new Date(8.64e15);

/**
 * Brings one file to `path`, verified: from the store where it has no URL, else from its mirrors, and from a store that
 * has it before them (`keep`) or after they failed.
 * @throws what the mirrors failed with, where neither has it; Gone, Changed
 */
export async function obtainFrom(
  store: KeepingStore,
  keep: boolean,
  file: InputFile,
  path: string,
  signal: AbortSignal,
  fromMirrors: () => Promise<void>,
): Promise<void> {
  if (file.urls.length === 0) return copyBlob(store, file, path, signal);
  if (keep && (await isKept(store, file, path, signal))) return;
  try {
    await fromMirrors();
  } catch (error) {
    const isTheirs = error instanceof Gone || error instanceof Changed || error instanceof Unreachable;
    // With `keep` the store was asked already.
    if (!isTheirs || signal.aborted || keep || !(await isKept(store, file, path, signal))) throw error;
  }
}

/** Whether the store had the file, and it is at `path` now. A damaged blob goes, so that the next put mends it. */
async function isKept(
  store: KeepingStore,
  file: InputFile,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await store.blobSize(file.sha256)) === undefined) return false;
  try {
    await copyBlob(store, file, path, signal);
    return true;
  } catch (error) {
    if (error instanceof Changed) await store.deleteBlob(file.sha256, FOREVER);
    if (error instanceof Changed || error instanceof Gone) return false;
    throw error;
  }
}

async function copyBlob(
  store: KeepingStore,
  file: InputFile,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  // A blob is never resumed: it is near, and its store verifies it.
  await rm(path, { force: true });
  const digest = new GrowingDigest();
  async function* hashed(chunks: AsyncIterable<Uint8Array>) {
    let position = 0;
    for await (const chunk of chunks) {
      digest.add(position, chunk);
      position += chunk.length;
      yield chunk;
    }
  }
  try {
    await pipeline(await store.readBlob(file.sha256), hashed, createWriteStream(path), { signal });
  } catch (error) {
    if (error instanceof BlobMissing) throw new Gone(error.message, { cause: error });
    throw error;
  }
  const found = await digest.of(path, signal);
  if (found !== file.sha256 || (await sizeOf(path)) !== file.size) {
    await rm(path, { force: true });
    throw new Changed(`the blob in ${store.location} has SHA-256 ${found} and another size or content`);
  }
}
