import { SlipwayFailure } from '../schema/failures.ts';
import { BlobMissing, type Store } from '../stores/store.ts';
import { DSC_LIMIT } from './dsc.ts';

/** A small blob that a request names. */
export async function readBlob(store: Store, digest: string, what: string): Promise<Uint8Array> {
  try {
    return await store.readBytes(digest, DSC_LIMIT * 16);
  } catch (error) {
    if (error instanceof BlobMissing || error instanceof RangeError) {
      throw new SlipwayFailure('InvalidRequest', `${what}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
