import { type Paragraph, readParagraphs } from '../../repositories/deb822.ts';

/** Fields of a .buildinfo that say when and where it was built, and not what of what. */
const ALWAYS = ['build-date', 'build-kernel-version'];

/** What two builds have in common, beside the documents themselves. */
export interface Setting {
  /** Names of the files that are compared for themselves. */
  artifacts: ReadonlySet<string>;
  /** The inputs: else Installed-Build-Depends differs as expected. */
  sameLock: boolean;
  /** What was asked for, beside the lock: else Environment differs as expected (`parallel=4`). */
  sameRequest: boolean;
}

/** Fields that list files with their sizes and digests: each file is compared for itself. */
const LISTS = ['files', 'checksums-md5', 'checksums-sha1', 'checksums-sha256'];

/** What differs between two .buildinfo or .changes files. */
export interface DocumentDifference {
  /** What differs between any two builds, in words: a field, the checksums of a file. */
  expected: string[];
  /** Names of the fields that should not. */
  unexpected: string[];
}

/** Whether a name is that of a document that is compared by its meaning. */
export function isDocument(path: string): boolean {
  return /\.(buildinfo|changes)$/.test(path);
}

/**
 * Compares two .buildinfo or .changes files field by field. What they say of the other artifacts follows from these, and
 * is left to the comparison of each.
 * @returns undefined where one of them is no such document, for instance signed
 */
export function documentDifference(
  first: string,
  second: string,
  setting: Setting,
): DocumentDifference | undefined {
  const [a, b] = [onlyParagraph(first), onlyParagraph(second)];
  if (a === undefined || b === undefined) return undefined;
  const found: DocumentDifference = { expected: [], unexpected: [] };
  const named = new Set<string>();
  for (const field of new Set([...a.keys(), ...b.keys()])) {
    const [one = '', other = ''] = [a.get(field), b.get(field)];
    if (one === other && a.has(field) === b.has(field)) continue;
    if (isExpected(field, setting)) found.expected.push(fieldName(field));
    else if (!LISTS.includes(field)) found.unexpected.push(fieldName(field));
    else {
      const files = changedFiles(one, other);
      if (files.every((file) => setting.artifacts.has(file))) for (const file of files) named.add(file);
      else found.unexpected.push(fieldName(field));
    }
  }
  found.expected.push(...[...named].sort().map((file) => `the checksums of ${file}`));
  return found;
}

function isExpected(field: string, { sameLock, sameRequest }: Setting): boolean {
  if (field === 'installed-build-depends') return !sameLock;
  return field === 'environment' ? !sameRequest : ALWAYS.includes(field);
}

function onlyParagraph(text: string): Paragraph | undefined {
  try {
    const [paragraph, ...others] = readParagraphs(text);
    return others.length === 0 ? paragraph : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Names of files whose lines differ; the name is a line's last word. */
function changedFiles(first: string, second: string): string[] {
  const [a, b] = [first.split('\n'), second.split('\n')];
  const changed = [...a.filter((line) => !b.includes(line)), ...b.filter((line) => !a.includes(line))];
  return [...new Set(changed.map((line) => line.split(' ').at(-1) ?? ''))];
}

/** As people know it: `Installed-Build-Depends`. */
function fieldName(field: string): string {
  return field.replaceAll(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase());
}
