import { type FileHandle, open } from 'node:fs/promises';

/** One of the two archives of a package: where in its file it lies, and how it is compressed (`.xz`, or nothing). */
export interface DebPart {
  at: number;
  size: number;
  compression: string;
}

const MAGIC = '!<arch>\n';
const HEADER = 60;

/**
 * Finds the archives of a Debian package, of the control files and of the files.
 * @throws SyntaxError where it is none (deb(5))
 */
export async function debParts(path: string): Promise<[control: DebPart, data: DebPart]> {
  const file = await open(path, 'r');
  try {
    if ((await text(file, 0, MAGIC.length)) !== MAGIC) throw new SyntaxError('it is no Debian package');
    const [version, control, data] = await firstMembers(file);
    const format = version?.name === 'debian-binary' ? await text(file, version.at, 2) : undefined;
    if (format !== '2.' || control?.name !== 'control.tar' || data?.name !== 'data.tar')
      throw new SyntaxError('it has no control.tar and data.tar as Debian packages have them');
    return [control, data];
  } finally {
    await file.close();
  }
}

async function firstMembers(file: FileHandle): Promise<(DebPart & { name: string })[]> {
  const { size: end } = await file.stat();
  const found: (DebPart & { name: string })[] = [];
  for (let at = MAGIC.length; at < end && found.length < 3; ) {
    const header = await text(file, at, HEADER);
    const size = Number(/^[0-9]+ *$/.exec(header.slice(48, 58))?.[0] ?? Number.NaN);
    const [, name, compression = ''] =
      /^([^./ ]+(?:\.tar)?)(\.[a-z0-9]+)?\/? *$/.exec(header.slice(0, 16)) ?? [];
    if (name === undefined || !header.endsWith('`\n') || !(at + HEADER + size <= end))
      throw new SyntaxError('it is cut off, or its members are not in order');
    // What begins so is for other programs (deb(5)).
    if (!name.startsWith('_')) found.push({ name, at: at + HEADER, size, compression });
    at += HEADER + size + (size % 2);
  }
  return found;
}

async function text(file: FileHandle, at: number, length: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
  if (bytesRead < length) throw new SyntaxError('it is cut off');
  return buffer.toString('latin1');
}
