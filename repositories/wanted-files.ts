import { createHash } from 'node:crypto';
import type { WantedFile } from '../recipes/recipe.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { InputFile } from '../schema/lock.ts';
import type { Store } from '../stores/store.ts';
import { Gone, type Transport, Unreachable } from './transport.ts';

/** Bytes that are read of a file whose server does not say how long it is: there must be an end. */
const MOST_BYTES = 16 * 1024 ** 3;

/**
 * A file of a request as the lock has it: with its size. Of one that is fetched only the head is, unless its server does
 * not say how long it is.
 * @throws SlipwayFailure InvalidRequest (no such blob, nothing at the URL), InputRejected (another digest),
 *   DownloadFailed
 */
export async function wantedFile(
  file: WantedFile,
  { store, transport }: { store: Pick<Store, 'blobSize'>; transport: Transport },
  signal: AbortSignal,
): Promise<InputFile> {
  const { name, sha256, url } = file;
  if (url === undefined) return await storedFile(file, store);
  return { name, urls: [url], size: await sizeAt({ ...file, url }, transport, signal), sha256 };
}

/** @throws SlipwayFailure InvalidRequest where the store has no such blob */
export async function storedFile(
  { name, sha256 }: WantedFile,
  store: Pick<Store, 'blobSize'>,
): Promise<InputFile> {
  const size = await store.blobSize(sha256);
  if (size !== undefined) return { name, urls: [], size, sha256 };
  throw new SlipwayFailure('InvalidRequest', `the store has no blob ${sha256} (${name})`, {
    items: [name],
    advice: 'Upload the file (slipway build does), or correct its digest.',
  });
}

async function sizeAt(
  { name, url, sha256 }: WantedFile & { url: string },
  transport: Transport,
  signal: AbortSignal,
): Promise<number> {
  try {
    const body = await transport.open(url, 0, signal);
    try {
      if (body.size !== undefined) return body.size;
      const { size, digest } = await readThrough(body.chunks, url);
      if (digest === sha256) return size;
      throw new SlipwayFailure('InputRejected', `${url} has SHA-256 ${digest} instead of ${sha256}`, {
        items: [name],
      });
    } finally {
      body.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SlipwayFailure) throw error;
    if (error instanceof Gone) {
      throw new SlipwayFailure('InvalidRequest', `not there: ${url}`, { items: [name], cause: error });
    }
    const why = error instanceof Unreachable ? error.message : `${url}: ${(error as Error).message}`;
    throw new SlipwayFailure('DownloadFailed', why, { cause: error });
  }
}

async function readThrough(chunks: AsyncIterable<Buffer>, url: string) {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new SlipwayFailure('InputRejected', `${url} does not end`);
    hash.update(chunk);
  }
  return { size, digest: hash.digest('hex') };
}
