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

/** What all tasks of a thread share. */
export interface CopyMeans {
  /** Descriptors of this process. */
  devices: Readonly<Record<Extent['device'], number>>;
  ring: HashRing | undefined;
  buffer: Buffer;
  /** Tells of bytes that are done, holes included. @throws Stopped */
  copied(bytes: number): void;
}

/** Writes a file from its extents, leaving holes as holes, and hashes it: each byte read once. Blocks its thread. */
export function copyFile(task: CopyTask, means: CopyMeans): Copied {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = openSync(task.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, task.mode);
  try {
    const hash = task.hashedBeside && means.ring !== undefined ? beside(means.ring) : here(means.buffer);
    let end = 0;
    for (const chunk of chunks(extentsIn(task.extents), task.size)) {
      if (chunk.reads.length === 0) hash.hole(chunk.length);
      else {
        const bytes = hash.buffer().subarray(0, chunk.length);
        readChunk(chunk, bytes, means);
        hash.add(bytes);
        writeAll(file, bytes, chunk.at);
        end = chunk.at + chunk.length;
      }
      means.copied(chunk.length);
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

function here(buffer: Buffer): Hashing {
  const hash = createHash('sha256');
  return {
    buffer: () => buffer,
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

function readChunk({ reads }: Chunk, into: Buffer, { devices }: CopyMeans): void {
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

/** The means of a thread. */
export function copyMeans(
  devices: CopyMeans['devices'],
  ring: HashRing | undefined,
  shared: { stop: SharedArrayBuffer; progress: SharedArrayBuffer },
): CopyMeans {
  const [stop, progress] = [new Int32Array(shared.stop), new BigInt64Array(shared.progress)];
  return {
    devices,
    ring,
    buffer: Buffer.allocUnsafeSlow(CHUNK),
    copied(bytes) {
      if (Atomics.load(stop, 0) !== 0) throw new Stopped();
      Atomics.add(progress, 0, BigInt(bytes));
    },
  };
}
