import { Digest } from '../schema/digest.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** Of a name in bytes, so that it fits into a key of S3 and a path. */
const LONGEST_NAME = 900;
const WORD = /^[A-Za-z0-9._+~-]{1,200}$/;

/**
 * A name of a record or a live log: words of letters, digits and `._+~-` (1 to 200 each), `/` between them, none of
 * them `.` or `..`.
 * @throws SlipwayFailure InvalidRequest
 */
export function checkedName(name: string): string {
  return isName(name) ? name : refuse(name);
}

/** The prefix of a listing: a name and a `/`. @throws SlipwayFailure InvalidRequest */
export function checkedPrefix(prefix: string): string {
  return prefix.endsWith('/') && isName(prefix.slice(0, -1)) ? prefix : refuse(prefix);
}

function isName(name: string): boolean {
  const words = name.split('/');
  return (
    name.length <= LONGEST_NAME && words.every((word) => WORD.test(word) && word !== '.' && word !== '..')
  );
}

function refuse(name: string): never {
  throw new SlipwayFailure('InvalidRequest', `no name in a store: ${JSON.stringify(name.slice(0, 300))}`, {
    advice: 'Names are words of letters, digits and ._+~- with / between them; a prefix ends in /.',
  });
}

/** Digests come from requests and name files. @throws SlipwayFailure InvalidRequest */
export function checkedDigest(digest: string): Digest {
  const parsed = Digest.safeParse(digest);
  if (parsed.success) return parsed.data;
  throw new SlipwayFailure('InvalidRequest', `no SHA-256: ${JSON.stringify(digest.slice(0, 100))}`, {
    advice: 'A blob is named by 64 lower-case hexadecimal digits.',
  });
}
