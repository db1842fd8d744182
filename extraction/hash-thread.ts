import { createHash } from 'node:crypto';
import { workerData } from 'node:worker_threads';
import { ZEROS } from './chunks.ts';
import { END, HashRing, type RingMemory, Stopped } from './hash-ring.ts';

/** A thread that hashes what another one reads, file after file, until it is told to stop. */
const ring = new HashRing(workerData as RingMemory);
try {
  for (let hash = createHash('sha256'); ; ) {
    const { length, bytes } = ring.take();
    if (length > 0) hash.update(bytes.subarray(0, length));
    else if (length < 0) hash.update(ZEROS.subarray(0, -length));
    ring.free();
    if (length !== END) continue;
    ring.answer(hash.digest());
    hash = createHash('sha256');
  }
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
}
