/** One entry of an archive. Folders above it are added by themselves. */
export interface CpioEntry {
  /** Relative, without `.` and `..`. */
  path: string;
  /** Permission bits. */
  mode: number;
  /** Absent: a folder. */
  content?: Uint8Array | string;
  /** Instead of content: target of a symlink. */
  link?: string;
}

const FOLDER = 0o040000;
const FILE = 0o100000;
const SYMLINK = 0o120000;

/**
 * A cpio archive in the only format that the kernel unpacks (`newc`), the same bytes for the same entries: sorted,
 * root's, without times, inode numbers by order. Padded to 512 bytes, so that another archive can follow.
 */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  let inode = 0;
  for (const entry of inOrder(entries)) {
    inode += 1;
    parts.push(...member(entry.path, typeOf(entry) | entry.mode, inode, bytesOf(entry)));
  }
  parts.push(...member('TRAILER!!!', 0, 0, Buffer.alloc(0)));
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...parts, padding(size, 512)]);
}

/** A folder before what is in it; one entry a path. */
function inOrder(entries: readonly CpioEntry[]): CpioEntry[] {
  const all = new Map<string, CpioEntry>();
  for (const { path } of entries) {
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      all.set(folder, { path: folder, mode: 0o755 });
    }
  }
  for (const entry of entries) all.set(entry.path, entry);
  return [...all.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

function typeOf(entry: CpioEntry): number {
  if (entry.link !== undefined) return SYMLINK;
  return entry.content === undefined ? FOLDER : FILE;
}

function bytesOf(entry: CpioEntry): Buffer {
  return Buffer.from(entry.link ?? entry.content ?? '');
}

/** Header, name and content, each part ending on a multiple of 4 bytes. */
function member(path: string, mode: number, inode: number, content: Buffer): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const links = 1;
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [
    Buffer.from(header),
    name,
    padding(header.length + name.length, 4),
    content,
    padding(content.length, 4),
  ];
}

function padding(length: number, unit: number): Buffer {
  return Buffer.alloc((unit - (length % unit)) % unit);
}
