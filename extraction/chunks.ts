import { UNIT } from './entry-reader.ts';
import type { Extent } from './list-lines.ts';

/** Bytes that are read, hashed and written at a time. */
export const CHUNK = 512 * 1024;
/** What a hole is hashed as. */
export const ZEROS = Buffer.alloc(CHUNK);

/** At most `CHUNK` bytes of a file's content: a hole where nothing is to be read. */
export interface Chunk {
  /** First byte in the file. */
  at: number;
  length: number;
  /** What fills the chunk, in its order and without gap. */
  reads: readonly Read[];
}

export interface Read {
  device: Extent['device'];
  /** First byte on the device, and in the chunk. */
  position: number;
  offset: number;
  length: number;
}

/** A piece of a file's content: bytes on a device, or a hole. */
interface Piece {
  at: number;
  length: number;
  source?: { device: Extent['device']; position: number };
}

/**
 * The content of a file of `size` bytes, without gap; extents are cut at the size, what none covers is a hole. Pieces
 * that follow each other in the file share a chunk: a file of many is not written in as many.
 */
export function* chunks(extents: Iterable<Extent>, size: number): Generator<Chunk> {
  let open: { at: number; length: number; reads: Read[] } | undefined;
  for (const { at, length, source } of pieces(extents, size)) {
    for (let done = 0; done < length; ) {
      if (open !== undefined && (source === undefined || open.length === CHUNK)) {
        yield open;
        open = undefined;
      }
      const part = Math.min(length - done, CHUNK - (open?.length ?? 0));
      if (source === undefined) yield { at: at + done, length: part, reads: [] };
      else {
        open ??= { at: at + done, length: 0, reads: [] };
        const position = source.position + done;
        open.reads.push({ device: source.device, position, offset: open.length, length: part });
        open.length += part;
      }
      done += part;
    }
  }
  if (open !== undefined) yield open;
}

function* pieces(extents: Iterable<Extent>, size: number): Generator<Piece> {
  let done = 0;
  for (const { device, start, count, at: unit } of extents) {
    const at = unit * UNIT;
    if (at >= size) break;
    if (at > done) yield { at: done, length: at - done };
    const length = Math.min(count * UNIT, size - at);
    yield { at, length, source: { device, position: start * UNIT } };
    done = at + length;
  }
  if (done < size) yield { at: done, length: size - done };
}
