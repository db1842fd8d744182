import type { FileHandle } from 'node:fs/promises';

const CHUNK = 1 << 20;
const SHOWN = 16;

/** A part of a file. */
export interface Range {
  file: FileHandle;
  /** Bytes. */
  offset: number;
  size: number;
}

/** Where two contents begin to differ, in words and with the bytes there; undefined where they are the same. */
export async function firstDifference(first: Range, second: Range): Promise<string | undefined> {
  const [a, b] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
  const common = Math.min(first.size, second.size);
  for (let at = 0; at < common; at += CHUNK) {
    const length = Math.min(CHUNK, common - at);
    await fill(first, at, a.subarray(0, length));
    await fill(second, at, b.subarray(0, length));
    if (a.compare(b, 0, length, 0, length) === 0) continue;
    let index = 0;
    while (a[index] === b[index]) index++;
    return await described(first, second, at + index);
  }
  if (first.size === second.size) return undefined;
  return `the first ${common} bytes are the same; ${sizes(first, second)}`;
}

async function described(first: Range, second: Range, at: number): Promise<string> {
  const [a, b] = await Promise.all([bytesAt(first, at), bytesAt(second, at)]);
  const size = first.size === second.size ? '' : `; ${sizes(first, second)}`;
  return `first difference at byte ${at}${size}\n-${dump(a)}\n+${dump(b)}`;
}

function sizes(first: Range, second: Range): string {
  return `${first.size} bytes became ${second.size}`;
}

async function bytesAt(range: Range, at: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.min(SHOWN, range.size - at));
  await fill(range, at, bytes);
  return bytes;
}

async function fill({ file, offset }: Range, at: number, buffer: Buffer): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, offset + at + done);
    if (bytesRead === 0) throw new RangeError('the file became shorter while it was compared');
    done += bytesRead;
  }
}

/** As `hexdump -C` has it. */
function dump(bytes: Buffer): string {
  const hex = bytes.toString('hex').replaceAll(/../g, '$& ');
  return `${hex.padEnd(SHOWN * 3)} |${bytes.toString('latin1').replaceAll(/[^ -~]/g, '.')}|`;
}
