import { Digest } from '../schema/digest.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { FileName, SourceName } from '../schema/names.ts';
import { type Paragraph, readParagraphs } from './deb822.ts';

/** A file that a .dsc lists. */
export interface ListedFile {
  name: string;
  /** Bytes. */
  size: number;
  sha256: string;
}

/** A Debian source control file. */
export interface Dsc {
  name: string;
  version: string;
  /** Sorted by name. */
  files: ListedFile[];
  fields: Paragraph;
}

/** Bytes that a .dsc may have; the largest in Debian have some hundred kilobytes. */
export const DSC_LIMIT = 4 * 1024 * 1024;

const BEGIN = '-----BEGIN PGP SIGNED MESSAGE-----\n';
/** No line of the signature itself begins so: a second message cannot hide in it. */
const SIGNATURE = /\n-----BEGIN PGP SIGNATURE-----\n(?:(?!-----).*\n)*-----END PGP SIGNATURE-----\s*$/;

/**
 * The text of a .dsc without its OpenPGP armor. Text before or after what was signed is refused: tools disagree about
 * which of it counts.
 * @throws SlipwayFailure InputRejected
 */
export function signedText(text: string, what: string): { text: string; signed: boolean } {
  if (!text.includes('-----BEGIN PGP')) return { text, signed: false };
  const end = SIGNATURE.exec(text);
  const headers = text.indexOf('\n\n');
  if (!text.startsWith(BEGIN) || end === null || headers === -1 || headers > end.index) {
    throw new SlipwayFailure('InputRejected', `${what} has text outside its signature`);
  }
  const body = text.slice(headers + 2, end.index + 1);
  if (body.includes('-----BEGIN PGP')) {
    throw new SlipwayFailure('InputRejected', `${what} has a signature inside its signature`);
  }
  return { text: body.replaceAll(/^- /gm, ''), signed: true };
}

/**
 * Reads a .dsc without armor.
 * @throws SlipwayFailure InputRejected where it is none, or names a file with a path, twice, or without SHA-256
 */
export function readDsc(text: string, what: string): Dsc {
  const reject = (why: string) => new SlipwayFailure('InputRejected', `${what} is no valid .dsc: ${why}`);
  const fields = onlyParagraph(text, reject);
  const name = fields.get('source') ?? '';
  if (!SourceName.safeParse(name).success) throw reject('no valid Source field');
  const version = fields.get('version') ?? '';
  if (!/^(\d+:)?[A-Za-z0-9.+~-]+$/.test(version)) throw reject('no valid Version field');
  const files = (fields.get('checksums-sha256') ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => listedFile(line, reject))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (files.length === 0) throw reject('no Checksums-Sha256 field');
  if (new Set(files.map((file) => file.name)).size !== files.length) throw reject('it lists a file twice');
  return { name, version, files, fields };
}

function onlyParagraph(text: string, reject: (why: string) => SlipwayFailure): Paragraph {
  try {
    const [first, ...others] = readParagraphs(text);
    if (first === undefined || others.length > 0) throw new SyntaxError('it must be one paragraph');
    return first;
  } catch (error) {
    throw reject((error as Error).message);
  }
}

function listedFile(line: string, reject: (why: string) => SlipwayFailure): ListedFile {
  const [sha256 = '', size = '', name = '', ...rest] = line.split(/[ \t]+/);
  const good =
    rest.length === 0 &&
    Digest.safeParse(sha256).success &&
    /^\d{1,15}$/.test(size) &&
    FileName.safeParse(name).success;
  if (!good) throw reject(`cannot take the listed file ${JSON.stringify(line)}`);
  return { name, size: Number(size), sha256 };
}
