import type { FileHandle } from 'node:fs/promises';

/** One member of a tar archive. */
export interface TarEntry {
  path: string;
  /** As `ls` has it: `-`, `d`, `l`, `h` (hard link), `c`, `b`, `p`; `?` for others. */
  kind: string;
  /** Permission bits. */
  mode: number;
  owner: string;
  group: string;
  /** Bytes of content. */
  size: number;
  /** Seconds since 1970. */
  modified: number;
  /** Of links: where to. */
  target: string;
  /** Where in the archive its content begins. */
  offset: number;
}

const BLOCK = 512;
/** No path and no pax header of a package comes near. */
const LONGEST_NAME = 1 << 20;
const KINDS: Readonly<Record<string, string>> = {
  '\0': '-',
  '0': '-',
  '1': 'h',
  '2': 'l',
  '3': 'c',
  '4': 'b',
  '5': 'd',
  '6': 'p',
  '7': '-',
};

/**
 * The members of an uncompressed tar archive (ustar, GNU, pax) in their order, read one header at a time. Contents are
 * left where they are.
 * @throws SyntaxError where it is none, or cut off
 */
export async function* readTar(archive: FileHandle): AsyncGenerator<TarEntry> {
  const { size: end } = await archive.stat();
  const block = Buffer.alloc(BLOCK);
  let more: Partial<Pick<TarEntry, 'path' | 'target' | 'size'>> = {};
  for (let at = 0; at + BLOCK <= end; ) {
    await archive.read(block, 0, BLOCK, at);
    if (block.every((byte) => byte === 0)) return;
    checkSum(block);
    const type = String.fromCharCode(block[156] ?? 0);
    const content = at + BLOCK;
    const size = more.size ?? number(block, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0 || content + size > end)
      throw new SyntaxError('the archive is cut off');
    at = content + Math.ceil(size / BLOCK) * BLOCK;
    if ('LKxg'.includes(type)) {
      if (size > LONGEST_NAME) throw new SyntaxError('a name in the archive is too long');
      const text = Buffer.alloc(size);
      await archive.read(text, 0, size, content);
      if (type === 'L') more.path = cString(text);
      if (type === 'K') more.target = cString(text);
      if (type === 'x') more = { ...more, ...paxFields(text) };
      continue;
    }
    yield { ...header(block, type), size, offset: content, ...more };
    more = {};
  }
}

function header(block: Buffer, type: string): Omit<TarEntry, 'size' | 'offset'> {
  const prefix = block.subarray(257, 263).toString('latin1') === 'ustar\0' ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    kind: KINDS[type] ?? '?',
    mode: number(block, 100, 8),
    owner: text(block, 265, 32) || `${number(block, 108, 8)}`,
    group: text(block, 297, 32) || `${number(block, 116, 8)}`,
    modified: number(block, 136, 12),
    target: text(block, 157, 100),
  };
}

/** Of all bytes of the header, its own field taken for blanks. */
function checkSum(block: Buffer): void {
  let sum = 8 * 0x20;
  block.forEach((byte, index) => {
    if (index < 148 || index >= 156) sum += byte;
  });
  if (sum !== number(block, 148, 8)) throw new SyntaxError('this is no tar archive');
}

function text(block: Buffer, from: number, length: number): string {
  return cString(block.subarray(from, from + length));
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end === -1 ? undefined : end).toString('utf8');
}

/** Octal digits, or, with the first bit set, a big-endian number (GNU). */
function number(block: Buffer, from: number, length: number): number {
  const field = block.subarray(from, from + length);
  if ((field[0] ?? 0) & 0x80) return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  const digits = cString(field).trim();
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** `<length> <key>=<value>\n` again and again. */
function paxFields(bytes: Buffer): Partial<Pick<TarEntry, 'path' | 'target' | 'size'>> {
  const fields: Partial<Pick<TarEntry, 'path' | 'target' | 'size'>> = {};
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(bytes.subarray(at, at + 20).toString('latin1'), 10);
    if (!(length > 0) || at + length > bytes.length)
      throw new SyntaxError('a pax header of the archive is broken');
    const record = bytes
      .subarray(at, at + length)
      .toString('utf8')
      .replace(/\n$/, '');
    const [, key, value = ''] = /^\d+ ([^=]+)=(.*)$/s.exec(record) ?? [];
    if (key === 'path') fields.path = value;
    if (key === 'linkpath') fields.target = value;
    if (key === 'size') fields.size = Number(value);
    at += length;
  }
  return fields;
}
