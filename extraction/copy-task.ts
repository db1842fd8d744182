import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { CHUNK, type Chunk, chunks, ZEROS } from './chunks.ts';
import { END, type HashRing, Stopped } from './hash-ring.ts';
import { type Extent, listLines } from './list-lines.ts';
import type { FileIdentity } from './written-files.ts';

/** A file for a thread to write. */
export interface CopyTask {
  path: string;
  size: number;
  mode: number;
  /** The lines of its extents in a list that was checked. */
  extents: Uint8Array;
  /** Whether another thread hashes it meanwhile. */
  hashedBeside: boolean;
}

export interface Copied {
  sha256: string;
  identity: FileIdentity;
}

/** What the threads of a job share. */
export interface JobShare {
  /** Descriptors of this process. */
  devices: Readonly<Record<Extent['device'], number>>;
  /** A word: not 0 ends all of them. */
  stop: SharedArrayBuffer;
  /** 8 bytes: those of files that are done, holes included. */
  progress: SharedArrayBuffer;
}

const BUFFER = Buffer.allocUnsafeSlow(CHUNK);

/** Writes a file from its extents, leaving holes as holes, and hashes it: each byte read once. Blocks its thread. */
export function copyFile(task: CopyTask, share: JobShare, ring: HashRing | undefined): Copied {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const [stop, progress] = [new Int32Array(share.stop), new BigInt64Array(share.progress)];
  const file = openSync(task.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, task.mode);
  try {
    const hash = task.hashedBeside && ring !== undefined ? beside(ring) : here();
    let end = 0;
    for (const chunk of chunks(extentsIn(task.extents), task.size)) {
      if (Atomics.load(stop, 0) !== 0) throw new Stopped();
      if (chunk.reads.length === 0) hash.hole(chunk.length);
      else {
        const bytes = hash.buffer().subarray(0, chunk.length);
        readChunk(chunk, bytes, share.devices);
        hash.add(bytes);
        writeAll(file, bytes, chunk.at);
        end = chunk.at + chunk.length;
      }
      Atomics.add(progress, 0, BigInt(chunk.length));
    }
    if (end < task.size) ftruncateSync(file, task.size);
    const sha256 = hash.digest();
    const { dev, ino, ctimeNs } = fstatSync(file, { bigint: true });
    return { sha256, identity: { dev, ino, ctimeNs } };
  } finally {
    closeSync(file);
  }
}

interface Hashing {
  /** To read the next chunk into. */
  buffer(): Buffer;
  add(bytes: Buffer): void;
  hole(length: number): void;
  digest(): string;
}

function here(): Hashing {
  const hash = createHash('sha256');
  return {
    buffer: () => BUFFER,
    add: (bytes) => void hash.update(bytes),
    hole: (length) => void hash.update(ZEROS.subarray(0, length)),
    digest: () => hash.digest('hex'),
  };
}

function beside(ring: HashRing): Hashing {
  return {
    buffer: () => ring.buffer(),
    add: (bytes) => ring.push(bytes.length),
    hole: (length) => ring.push(-length),
    digest: () => {
      ring.push(END);
      return ring.digest();
    },
  };
}

function* extentsIn(lines: Uint8Array): Generator<Extent> {
  const list = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength);
  for (const { line } of listLines(list)) if (line.kind === 'extent') yield line.extent;
}

function readChunk({ reads }: Chunk, into: Buffer, devices: JobShare['devices']): void {
  for (const { device, position, offset, length } of reads) {
    for (let done = 0; done < length; ) {
      const read = readSync(devices[device], into, offset + done, length - done, position + done);
      if (read === 0) throw new Error(`the ${device} ended at byte ${position + done} while it was read`);
      done += read;
    }
  }
}

function writeAll(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}
