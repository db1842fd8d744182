import { buffer } from 'node:stream/consumers';
import { SlipwayFailure } from '../schema/failures.ts';
import { checkedName } from './names.ts';
import type { S3Root } from './s3-root.ts';

/**
 * Objects do not grow, so a live log lies in cells of this many bytes, `logs/<stream>!log/<number>`; only the last one
 * is not full. An append writes the last cell anew, on condition that it still is what this writer knows: no append is
 * lost to another writer, a writer that dies leaves all or nothing of it, and a log of many small appends is few
 * objects (docs/adr/0016).
 */
export const CELL = 128 * 1024;
const SUFFIX = '!log';
/** Digits of a cell's number: keys have the order of numbers. */
const DIGITS = 9;
const DEFAULT_LIMIT = 1024 * 1024;
/** Cells read at a time. */
const PARALLEL = 8;
/** Times that another writer was faster, in a row and without a byte of ours. */
const CONFLICTS = 100;
/** Logs whose ends are remembered. */
const REMEMBERED = 256;

/** The end of a log. */
interface Tail {
  cell: number;
  /** What is in the cell so far, always less than a whole one. */
  bytes: Uint8Array;
  /** Of that cell; absent where there is none yet. */
  etag?: string;
}

export interface S3Logs {
  appendLog(root: S3Root, stream: string, offset: number, bytes: Uint8Array): Promise<void>;
  deleteLog(root: S3Root, stream: string): Promise<void>;
}

/** Appends, and remembers where: an append then costs one request. What is remembered wrongly is refused by S3. */
export function createS3Logs(): S3Logs {
  const tails = new Map<string, Tail>();
  function remember(stream: string, tail: Tail): void {
    tails.delete(stream);
    tails.set(stream, tail);
    for (const oldest of tails.keys()) {
      if (tails.size <= REMEMBERED) break;
      tails.delete(oldest);
    }
  }
  return {
    async appendLog(root, stream, offset, bytes) {
      const folder = logFolder(stream);
      checkPosition('offset', offset);
      await root.prove();
      let tail = tails.get(stream);
      let isNew = tail === undefined;
      for (let conflicts = 0; conflicts < CONFLICTS; ) {
        tail ??= await findTail(root, folder);
        const size = sizeAt(tail);
        if (offset > size) {
          if (isNew) {
            throw new RangeError(`the log ${stream} has ${size} bytes: nothing can be appended at ${offset}`);
          }
          [tail, isNew] = [undefined, true];
          continue;
        }
        const rest = bytes.subarray(size - offset, size - offset + CELL - tail.bytes.length);
        if (rest.length === 0) return remember(stream, tail);
        tail = await writeTail(root, folder, tail, rest);
        if (tail === undefined) {
          isNew = true;
          conflicts += 1;
        } else {
          remember(stream, tail);
          conflicts = 0;
        }
      }
      throw new SlipwayFailure(
        'StoreUnavailable',
        `the store ${root.location} refused ${CONFLICTS} appends to the log ${stream}, as if others wrote it too`,
      );
    },
    async deleteLog(root, stream) {
      const folder = logFolder(stream);
      tails.delete(stream);
      const paths: string[] = [];
      for await (const { path } of root.list(folder)) paths.push(path);
      await root.removeAll(paths);
    },
  };
}

/** Undefined where the cell is not what the tail says, or where the answer to our own write was lost. */
async function writeTail(
  root: S3Root,
  folder: string,
  tail: Tail,
  more: Uint8Array,
): Promise<Tail | undefined> {
  const bytes = Buffer.concat([tail.bytes, more]);
  const condition = tail.etag === undefined ? { IfNoneMatch: '*' as const } : { IfMatch: tail.etag };
  const etag = await root.put(cellPath(folder, tail.cell), bytes, { condition });
  if (etag === undefined) return undefined;
  return bytes.length < CELL
    ? { cell: tail.cell, bytes, etag }
    : { cell: tail.cell + 1, bytes: new Uint8Array() };
}

async function findTail(root: S3Root, folder: string): Promise<Tail> {
  const { cells, lastSize } = await measure(root, folder);
  if (lastSize === CELL || cells === 0) return { cell: cells, bytes: new Uint8Array() };
  const found = await root.get(cellPath(folder, cells - 1));
  // Deleted in the meantime.
  if (found === undefined) return { cell: 0, bytes: new Uint8Array() };
  const bytes = await buffer(found.body);
  // Filled in the meantime.
  if (bytes.length >= CELL) return { cell: cells, bytes: new Uint8Array() };
  return { cell: cells - 1, bytes, etag: found.etag };
}

/** Counts the cells that follow on each other from the first one on. */
async function measure(root: S3Root, folder: string): Promise<{ cells: number; lastSize: number }> {
  let cells = 0;
  let lastSize = 0;
  for await (const { path, size } of root.list(folder)) {
    if (path !== cellPath(folder, cells)) break;
    cells += 1;
    lastSize = size;
  }
  return { cells, lastSize };
}

export async function logSize(root: S3Root, stream: string): Promise<number> {
  const { cells, lastSize } = await measure(root, logFolder(stream));
  if (cells > 0) return (cells - 1) * CELL + lastSize;
  await root.confirm();
  return 0;
}

export async function readLog(
  root: S3Root,
  stream: string,
  offset: number,
  limit = DEFAULT_LIMIT,
): Promise<Uint8Array> {
  const folder = logFolder(stream);
  checkPosition('offset', offset);
  checkPosition('limit', limit);
  const parts: Uint8Array[] = [];
  for (let at = offset; at < offset + limit; ) {
    // One by itself first: whoever follows a log stands at its end.
    const count = at === offset ? 1 : PARALLEL;
    const spans = spansFrom(at, offset + limit, count);
    const read = await Promise.all(spans.map((span) => readSpan(root, folder, span)));
    for (const [index, bytes] of read.entries()) {
      const { from, to } = spans[index] as Span;
      if (bytes !== undefined) parts.push(bytes);
      if ((bytes?.length ?? 0) < to - from) return await joined(root, parts, offset);
    }
    at = spans.at(-1)?.to ?? offset + limit;
  }
  return Buffer.concat(parts);
}

/** Bytes of one cell, by their places in the log. */
interface Span {
  from: number;
  to: number;
}

function spansFrom(from: number, end: number, count: number): Span[] {
  const spans: Span[] = [];
  for (let at = from; at < end && spans.length < count; at = (spans.at(-1) as Span).to) {
    spans.push({ from: at, to: Math.min(end, (Math.floor(at / CELL) + 1) * CELL) });
  }
  return spans;
}

async function readSpan(root: S3Root, folder: string, { from, to }: Span): Promise<Uint8Array | undefined> {
  const cell = Math.floor(from / CELL);
  const range = `bytes=${from - cell * CELL}-${to - cell * CELL - 1}`;
  const found = await root.get(cellPath(folder, cell), { range });
  return found && buffer(found.body);
}

async function joined(root: S3Root, parts: Uint8Array[], offset: number): Promise<Uint8Array> {
  if (parts.length === 0 && offset === 0) await root.confirm();
  return Buffer.concat(parts);
}

export async function* listLogs(
  root: S3Root,
): AsyncGenerator<{ stream: string; bytes: number; appendedAt: Date }> {
  await root.confirm();
  let current: { stream: string; bytes: number; appendedAt: Date } | undefined;
  for await (const { path, size, modified } of root.list('logs/')) {
    const end = path.indexOf(`${SUFFIX}/`);
    if (end < 0) continue;
    const stream = path.slice('logs/'.length, end);
    if (current?.stream !== stream) {
      if (current !== undefined) yield current;
      current = { stream, bytes: 0, appendedAt: modified };
    }
    current.bytes += size;
    if (modified > current.appendedAt) current.appendedAt = modified;
  }
  if (current !== undefined) yield current;
}

function sizeAt({ cell, bytes }: Tail): number {
  return cell * CELL + bytes.length;
}

function checkPosition(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no ${what} in a log: ${value}`);
}

function logFolder(stream: string): string {
  return `logs/${checkedName(stream)}${SUFFIX}/`;
}

function cellPath(folder: string, cell: number): string {
  return `${folder}${String(cell).padStart(DIGITS, '0')}`;
}
