import { type DebArchive, listing, type Member, openDebArchive } from './deb-content.ts';
import { firstDifference } from './first-difference.ts';
import { textDiff } from './text-diff.ts';
import type { Workshop } from './workshop.ts';

/** Contents up to this size are compared as texts, bytes. */
const TEXT_BYTES = 1 << 20;
/** Of so many files that differ the contents are shown. */
const SHOWN_FILES = 20;

/**
 * What differs between two Debian packages: control files, the list of files with modes, owners, sizes, times and digests,
 * then the contents. Empty where all of it is the same: then only the archive itself differs.
 * @throws as `openDebArchive`
 */
export async function debDifference(workshop: Workshop, first: string, second: string): Promise<string> {
  const parts: string[] = [];
  for (const which of ['ctrl', 'fsys'] as const) {
    await using a = await openDebArchive(workshop, first, which);
    await using b = await openDebArchive(workshop, second, which);
    // Digests of all files stand in the listing of the data already.
    const changed = changedFiles(a, b).filter(([{ path }]) => which === 'fsys' || path !== './md5sums');
    const name = which === 'ctrl' ? 'control archive' : 'list of files';
    const lists = { name, first: listing(a), second: listing(b), context: 0 };
    parts.push((await textDiff(workshop, lists)) || orderDifference(name, a, b));
    for (const [one, other] of changed.slice(0, SHOWN_FILES)) {
      parts.push(await contentDifference(workshop, [a, one], [b, other]));
    }
    if (changed.length > SHOWN_FILES) parts.push(`(${changed.length - SHOWN_FILES} more files differ)\n`);
  }
  return parts.filter((part) => part !== '').join('');
}

/** Where the order is that of a folder's entries, it is another one on another disk. */
function orderDifference(name: string, a: DebArchive, b: DebArchive): string {
  const others = [...b.members.keys()];
  const at = [...a.members.keys()].findIndex((path, index) => path !== others[index]);
  if (at === -1) return '';
  const [one, other] = [[...a.members.keys()][at], others[at]];
  return `${name}: the same members in another order, first at ${at + 1}\n-${one}\n+${other}\n`;
}

function changedFiles(a: DebArchive, b: DebArchive): [Member, Member][] {
  return [...a.members.values()].flatMap((member): [Member, Member][] => {
    const other = b.members.get(member.path);
    if (other?.sha256 === undefined || member.sha256 === undefined) return [];
    return other.sha256 === member.sha256 ? [] : [[member, other]];
  });
}

type Content = [archive: DebArchive, member: Member];

async function contentDifference(workshop: Workshop, first: Content, second: Content): Promise<string> {
  const [, { path }] = first;
  const [a, b] = [await textOf(first), await textOf(second)];
  if (a !== undefined && b !== undefined) return textDiff(workshop, { name: path, first: a, second: b });
  const range = ([{ file }, { offset, size }]: Content) => ({ file, offset, size });
  return `${path}: ${await firstDifference(range(first), range(second))}\n`;
}

/** Undefined where it is no text, or a long one. */
async function textOf([{ file }, { offset, size }]: Content): Promise<string | undefined> {
  if (size > TEXT_BYTES) return undefined;
  const bytes = Buffer.alloc(size);
  await file.read(bytes, 0, size, offset);
  return asText(bytes);
}

/** What people can read; undefined for other bytes. */
export function asText(bytes: Uint8Array): string | undefined {
  if (bytes.length > TEXT_BYTES || bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
