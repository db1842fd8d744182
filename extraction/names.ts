import { RuleBroken } from './rule-broken.ts';

/** What Linux filesystems hold. */
const PART_BYTES = 255;
/** PATH_MAX is 4096 with what leads to the output folder: 1 KiB is left for that. */
const NAME_BYTES = 3072;
const DEPTH = 32;

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, and what turns the direction of the text around it:
 * names are shown in terminals, logs and web pages, where these make one name look like another or like no name.
 * Marks and joiners (U+200C to U+200F) stay: languages need them to be written.
 */
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The parts of an entry's name. @throws RuleBroken */
export function nameParts(bytes: Buffer): string[] {
  const name = text(bytes, 'its name');
  if (name.startsWith('/')) throw new RuleBroken('has an absolute name');
  const parts = name.split('/');
  if (parts.length > DEPTH) throw new RuleBroken(`lies deeper than ${DEPTH} folders`);
  for (const part of parts) {
    if (part === '') throw new RuleBroken('has an empty part in its name');
    if (part === '.' || part === '..') throw new RuleBroken(`has the part "${part}" in its name`);
    checkLength(part);
  }
  return parts;
}

/** A symlink's target: relative, with whatever `.`, `..` and empty parts. @throws RuleBroken */
export function targetText(bytes: Buffer): string {
  const target = text(bytes, 'its target');
  if (target.startsWith('/')) throw new RuleBroken('has an absolute target');
  target.split('/').forEach(checkLength);
  return target;
}

function checkLength(part: string): void {
  if (Buffer.byteLength(part) > PART_BYTES)
    throw new RuleBroken(`has a part of more than ${PART_BYTES} bytes`);
}

function text(bytes: Buffer, what: string): string {
  if (bytes.length === 0) throw new RuleBroken(`is wrong: ${what} is empty`);
  if (bytes.length > NAME_BYTES) throw new RuleBroken(`is wrong: ${what} has more than ${NAME_BYTES} bytes`);
  const decoded = decode(bytes, what);
  if (FORBIDDEN.test(decoded)) {
    throw new RuleBroken(`is wrong: ${what} has a control character or one that turns the direction of text`);
  }
  return decoded;
}

function decode(bytes: Buffer, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new RuleBroken(`is wrong: ${what} is not UTF-8`);
  }
}
