import { RuleBroken } from './rule-broken.ts';

/** Bytes of a file that lie in one piece on a device, in units of 512 bytes. */
export interface Extent {
  device: 'disk' | 'swap';
  /** First unit on the device. */
  start: number;
  count: number;
  /** First unit in the file. */
  at: number;
}

/** A line of the list, its fields as numbers in range; names are still the guest's bytes. */
export type ListLine =
  | { kind: 'folder'; mode: number; name: Buffer }
  | { kind: 'file'; mode: number; size: number; name: Buffer }
  | { kind: 'extent'; extent: Extent }
  | { kind: 'symlink' | 'hard link' | 'target' | 'special'; name: Buffer };

const NUMBER = '(0|[1-9][0-9]{0,15})';
const NAMED = new RegExp(`^(?:D ([0-7]{1,4}) |F ([0-7]{1,4}) ${NUMBER} |([SHT]) |X [a-z] )`);
const EXTENT = new RegExp(`^E (disk|swap) ${NUMBER} ${NUMBER} ${NUMBER}$`);
/** Longer than any start of a line before its name, and than any extent. */
const HEAD_BYTES = 80;
/** A name that is longer is refused anyway. */
const LINE_BYTES = 8192;
/** Keeps every byte offset a safe integer. */
const MAX_UNITS = 2 ** 44;

/**
 * Splits a list into its lines, each with the byte at which the next begins.
 * @param from first byte; `to` the byte after the last
 * @throws RuleBroken at the first line that is none
 */
export function* listLines(
  list: Buffer,
  from = 0,
  to = list.length,
): Generator<{ line: ListLine; next: number }> {
  for (let start = from; start < to; ) {
    const end = list.indexOf(0x0a, start);
    if (end === -1) throw new RuleBroken('is cut off: its last line has no end');
    if (end - start > LINE_BYTES) throw new RuleBroken(`has a line of more than ${LINE_BYTES} bytes`);
    yield { line: parse(list, start, end), next: end + 1 };
    start = end + 1;
  }
}

function parse(list: Buffer, start: number, end: number): ListLine {
  const head = list.toString('latin1', start, Math.min(end, start + HEAD_BYTES));
  if (head.startsWith('E')) return { kind: 'extent', extent: parseExtent(head) };
  const found = NAMED.exec(head);
  if (found === null) throw new RuleBroken('has a line that is not of the format');
  const [{ length }, folderMode, fileMode, size, letter] = found;
  const name = list.subarray(start + length, end);
  if (folderMode !== undefined) return { kind: 'folder', mode: Number.parseInt(folderMode, 8), name };
  if (fileMode !== undefined) {
    return { kind: 'file', mode: Number.parseInt(fileMode, 8), size: integer(size), name };
  }
  if (letter === undefined) return { kind: 'special', name };
  return { kind: letter === 'S' ? 'symlink' : letter === 'H' ? 'hard link' : 'target', name };
}

function parseExtent(text: string): Extent {
  const found = EXTENT.exec(text);
  if (found === null) throw new RuleBroken('has an extent that is not of the format');
  const [start, count, at] = [integer(found[2]), integer(found[3]), integer(found[4])];
  if (count === 0) throw new RuleBroken('has an empty extent');
  if (start > MAX_UNITS || count > MAX_UNITS || at > MAX_UNITS) {
    throw new RuleBroken('has an extent beyond all that a file or device can hold');
  }
  return { device: found[1] as Extent['device'], start, count, at };
}

function integer(digits: string | undefined): number {
  const value = Number(digits);
  if (!Number.isSafeInteger(value)) throw new RuleBroken(`has the number ${digits}, which is too large`);
  return value;
}
