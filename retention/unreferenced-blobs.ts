import type { Digest } from '../schema/digest.ts';
import { BlobMissing, type Store, type StoredBlob } from '../stores/store.ts';
import { digestsInText, type References } from './references.ts';

export interface Blobs {
  unreferenced: StoredBlob[];
  /** How many stay, referred to or young, and their bytes. */
  kept: number;
  keptBytes: number;
}

/** Of a document in memory. A lock of a thousand packages has half a MiB. */
const DOCUMENT_LIMIT = 256 * 1024 * 1024;

/**
 * Blobs that were last put before a time and that none of the roots refers to, neither itself nor by its documents.
 * @throws SlipwayFailure StoreUnavailable, also where a document is damaged: what it refers to cannot be told
 */
export async function unreferencedBlobs(
  store: Store,
  roots: readonly References[],
  cutoff: Date,
): Promise<Blobs> {
  const direct = new Set<Digest>();
  const documents = new Set<Digest>();
  for (const root of roots) {
    for (const digest of root.digests) direct.add(digest);
    for (const document of root.documents) documents.add(document);
  }
  const candidates = new Map<Digest, StoredBlob>();
  let [kept, keptBytes] = [0, 0];
  const keep = ({ size }: StoredBlob) => {
    kept += 1;
    keptBytes += size;
  };
  for await (const blob of store.listBlobs()) {
    if (blob.putAt > cutoff || direct.has(blob.digest)) keep(blob);
    else candidates.set(blob.digest, blob);
  }
  for (const document of documents) {
    if (candidates.size === 0) break;
    for (const digest of await documentDigests(store, document)) {
      const blob = candidates.get(digest);
      if (blob === undefined) continue;
      candidates.delete(digest);
      keep(blob);
    }
  }
  return { unreferenced: [...candidates.values()], kept, keptBytes };
}

/** What a document refers to; nothing where it is gone or too large to be one. */
export async function documentDigests(
  store: Pick<Store, 'readBytes'>,
  document: Digest,
): Promise<Set<Digest>> {
  try {
    return digestsInText(await store.readBytes(document, DOCUMENT_LIMIT));
  } catch (error) {
    if (error instanceof BlobMissing || error instanceof RangeError) return new Set();
    throw error;
  }
}
