import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { readTar, type TarEntry } from './tar-entries.ts';
import type { Workshop } from './workshop.ts';

const SECONDS = 300;

/** A member of one of a package's archives; files with the digest of their content. */
export interface Member extends TarEntry {
  sha256?: string;
}

/** One of the two archives of a Debian package, unpacked to a plain tar. */
export interface DebArchive extends AsyncDisposable {
  /** Members by path, in the order of the archive. */
  members: ReadonlyMap<string, Member>;
  file: FileHandle;
}

/**
 * Reads the control or the data archive of a Debian package. Nothing is unpacked into files but the archive itself.
 * @param deb a file of the workshop
 * @throws ToolFailed (no dpkg-deb, no package, limits), SyntaxError (no sound archive)
 */
export async function openDebArchive(
  workshop: Workshop,
  deb: string,
  which: 'ctrl' | 'fsys',
): Promise<DebArchive> {
  const path = `${deb}.${which}.tar`;
  await workshop.run(['dpkg-deb', `--${which}-tarfile`, deb], { seconds: SECONDS, stdout: { file: path } });
  await using undo = new AsyncDisposableStack();
  const file = await open(path);
  undo.defer(() => file.close());
  const members = new Map<string, Member>();
  for await (const entry of readTar(file)) {
    members.set(entry.path, entry.kind === '-' ? { ...entry, sha256: await digest(path, entry) } : entry);
  }
  const all = undo.move();
  return { members, file, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

async function digest(path: string, { offset, size }: TarEntry): Promise<string> {
  const hash = createHash('sha256');
  if (size > 0) await pipeline(createReadStream(path, { start: offset, end: offset + size - 1 }), hash);
  return hash.digest('hex');
}

/** A line for each member, sorted: what `dpkg-deb --contents` shows, and digests. */
export function listing({ members }: DebArchive): string {
  return [...members.values()]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map((member) => {
      const { path, kind, mode, owner, group, size, modified, target, sha256 } = member;
      const what = `${kind}${permissions(mode)} ${owner}/${group}`;
      const when = new Date(modified * 1000).toISOString().replace('.000Z', 'Z');
      return `${what} ${size} ${when} ${path}${target === '' ? '' : ` -> ${target}`}${sha256 === undefined ? '' : ` sha256:${sha256}`}\n`;
    })
    .join('');
}

/** As `ls` writes them, set-user-id, set-group-id and sticky in their places. */
function permissions(mode: number): string {
  const special = [mode & 0o4000 ? 's' : '', mode & 0o2000 ? 's' : '', mode & 0o1000 ? 't' : ''];
  return special
    .map((letter, index) => {
      const bits = (mode >> (6 - 3 * index)) & 7;
      const execute = bits & 1 ? 'x' : '-';
      const last = letter === '' ? execute : bits & 1 ? letter : letter.toUpperCase();
      return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
    })
    .join('');
}
