import { type Paragraph, readParagraphs } from '../repositories/deb822.ts';
import type { Digest } from '../schema/digest.ts';

/** A package in an index of a repository: `Packages` or `Sources`. */
export interface IndexEntry {
  package: string;
  version: string;
  /** `source` for source packages. */
  architecture: string;
  /** Its stanza, as apt-ftparchive wrote it, without a line end behind it. */
  text: string;
  /** Below the root of the repository; sizes in bytes. */
  files: { path: string; sha256: Digest; size: number }[];
}

/** What there can be only one of in a suite. */
export function keyOf({ package: name, version, architecture }: IndexEntry): string {
  return `${name}_${version}_${architecture}`;
}

/** Whether two entries stand for the same files, wherever they lie. */
export function sameFiles(a: IndexEntry, b: IndexEntry): boolean {
  const content = ({ files }: IndexEntry) =>
    files
      .map(({ path, sha256 }) => `${sha256} ${path.split('/').at(-1)}`)
      .sort()
      .join('\n');
  return content(a) === content(b);
}

/** Reads a `Packages` index. @throws SyntaxError */
export function readPackages(text: string): IndexEntry[] {
  return stanzas(text).map(({ text: stanza, fields }) => ({
    package: needed(fields, 'package'),
    version: needed(fields, 'version'),
    architecture: needed(fields, 'architecture'),
    text: stanza,
    files: [
      {
        path: needed(fields, 'filename'),
        sha256: needed(fields, 'sha256'),
        size: Number(needed(fields, 'size')),
      },
    ],
  }));
}

/** Reads a `Sources` index. @throws SyntaxError */
export function readSources(text: string): IndexEntry[] {
  return stanzas(text).map(({ text: stanza, fields }) => {
    const folder = needed(fields, 'directory');
    const lines = needed(fields, 'checksums-sha256').split('\n');
    return {
      package: needed(fields, 'package'),
      version: needed(fields, 'version'),
      architecture: 'source',
      text: stanza,
      files: lines
        .filter((line) => line !== '')
        .map((line) => {
          const [sha256 = '', size, name = ''] = line.split(/\s+/);
          return { path: `${folder}/${name}`, sha256, size: Number(size) };
        }),
    };
  });
}

/** The text of an index, in an order that depends on nothing but what is in it. */
export function indexText(entries: readonly IndexEntry[]): string {
  const sorted = [...entries].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return sorted.map(({ text }) => `${text}\n\n`).join('');
}

function stanzas(text: string): { text: string; fields: Paragraph }[] {
  return text
    .split(/\n\n+/)
    .map((stanza) => stanza.replace(/\n+$/, ''))
    .filter((stanza) => stanza !== '')
    .map((stanza) => ({ text: stanza, fields: readParagraphs(stanza)[0] ?? new Map() }));
}

function needed(fields: Paragraph, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw new SyntaxError(`a stanza has no field ${name}`);
  return value;
}
