import { createHash } from 'node:crypto';
import { SlipwayFailure } from '../schema/failures.ts';
import { type Boot, type LetterBoxHeader, LIST_OFFSET, readHeader } from './letter-box-header.ts';
import { openRaw } from './raw-device.ts';

const MAX_LIST_BYTES = 64 * 1024 * 1024;
const CHUNK = 1024 * 1024;

/**
 * Reads the list out of a letter box, verified against its header. A list that is not what the header says is no
 * answer (the guest died writing, a disk of the host is bad), and not the package's fault.
 * @throws SlipwayFailure NoStatus; ArtifactsRejected where it is longer than 64 MiB
 */
export async function readList(swapPath: string, boot: Boot, signal: AbortSignal): Promise<Buffer> {
  const header = await readHeader(swapPath, boot);
  if (header === undefined) throw noStatus('the guest left no valid header of this boot in the letter box');
  if (header.result !== 'succeeded') throw noStatus(`the letter box says ${header.result} and has no list`);
  if (header.length > MAX_LIST_BYTES) {
    const message = `the list of artifacts has ${header.length} bytes, more than ${MAX_LIST_BYTES}: too many files`;
    throw new SlipwayFailure('ArtifactsRejected', message, { phase: 'extract' });
  }
  return readVerified(swapPath, header, signal);
}

async function readVerified(swapPath: string, header: LetterBoxHeader, signal: AbortSignal): Promise<Buffer> {
  await using swap = await openRaw(swapPath);
  if (LIST_OFFSET + header.length > swap.size) throw noStatus('the list does not fit into the letter box');
  const list = Buffer.alloc(header.length);
  const hash = createHash('sha256');
  for (let at = 0; at < list.length; at += CHUNK) {
    signal.throwIfAborted();
    const chunk = list.subarray(at, at + CHUNK);
    await swap.read(chunk, LIST_OFFSET + at);
    hash.update(chunk);
  }
  if (hash.digest('hex') !== header.sha256)
    throw noStatus('the list in the letter box is not what its header says');
  return list;
}

function noStatus(message: string): SlipwayFailure {
  return new SlipwayFailure('NoStatus', message, { phase: 'extract' });
}
