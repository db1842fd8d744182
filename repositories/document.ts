import { SlipwayFailure } from '../schema/failures.ts';
import { Gone, type Transport, Unreachable } from './transport.ts';

/**
 * A small file by URL, whole in memory. For what has no digest yet, so nothing is resumed; who calls is retried.
 * @throws SlipwayFailure InvalidRequest (not there), InputRejected (over `limit` bytes), DownloadFailed
 */
export async function readDocument(
  url: string,
  limit: number,
  transport: Transport,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    const body = await transport.open(url, 0, signal);
    try {
      for await (const chunk of body.chunks) {
        size += chunk.length;
        if (size > limit) throw new SlipwayFailure('InputRejected', `${url} has more than ${limit} bytes`);
        chunks.push(chunk);
      }
    } finally {
      body.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SlipwayFailure) throw error;
    if (error instanceof Gone)
      throw new SlipwayFailure('InvalidRequest', `not there: ${url}`, { cause: error });
    const why = error instanceof Unreachable ? error.message : `${url}: ${(error as Error).message}`;
    throw new SlipwayFailure('DownloadFailed', why, { cause: error });
  }
  return Buffer.concat(chunks);
}
