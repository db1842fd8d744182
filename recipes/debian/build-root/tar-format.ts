/** Bytes of a header; contents are filled up to a multiple of it. */
export const TAR_BLOCK = 512;

const ZEROS = Buffer.alloc(TAR_BLOCK);

export function isZero(block: Buffer): boolean {
  return block.equals(ZEROS);
}

/** Up to the first NUL, a character a byte: names are bytes, in no encoding that anybody can rely on. */
export function readText(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end === -1 ? field.length : end);
}

/**
 * Octal digits, or, with the first bit set, a big-endian number (GNU).
 * @throws SyntaxError where it is neither, or too large to be true
 */
export function readNumber(block: Buffer, from: number, length: number): number {
  const field = block.subarray(from, from + length);
  if (field[0] === 0x80) return checked(field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0));
  const digits = readText(field).trim();
  if (!/^[0-7]*$/.test(digits)) throw new SyntaxError('a number in it is none');
  return checked(digits === '' ? 0 : Number.parseInt(digits, 8));
}

function checked(value: number): number {
  if (!Number.isSafeInteger(value)) throw new SyntaxError('a number in it is too large');
  return value;
}

/** What a header says; the name is a character a byte. */
export interface TarFields {
  name: string;
  type: '0' | '5';
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds since 1970. */
  modified: number;
}

/** A header, with blocks for its name before it where that is long. Its content has to follow, filled up. */
export function tarHeader(fields: TarFields): Buffer {
  const name = Buffer.from(fields.name, 'latin1');
  if (name.length <= 100) return header(fields, name);
  const long = Buffer.concat([name, Buffer.alloc(1)]);
  const marked = { ...fields, type: 'L', size: long.length };
  const [before, own] = [header(marked, Buffer.from('././@LongLink')), header(fields, name.subarray(0, 100))];
  return Buffer.concat([before, long, filling(long.length), own]);
}

/** What follows a content of so many bytes. */
export function filling(size: number): Buffer {
  return ZEROS.subarray(0, (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}

/** The end of an archive. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK);

function header(fields: Omit<TarFields, 'type'> & { type: string }, name: Buffer): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  name.copy(block, 0);
  octal(fields.mode, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(fields.size, 124, 11);
  octal(fields.modified, 136, 11);
  block.write(fields.type, 156, 'latin1');
  block.write('ustar  \0', 257, 'latin1');
  octal(headerSum(block), 148, 6);
  block.write('\0 ', 154, 'latin1');
  return block;
}

/** Sum of all bytes of a header, its own field taken for blanks. */
export function headerSum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let index = 0; index < TAR_BLOCK; index += 1) {
    if (index < 148 || index >= 156) sum += block[index] ?? 0;
  }
  return sum;
}
