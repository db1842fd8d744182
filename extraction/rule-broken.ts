import { SlipwayFailure } from '../schema/failures.ts';

/** A rule of the list that a guest broke, as the end of a sentence about an entry. */
export class RuleBroken extends Error {
  override readonly name = 'RuleBroken';
}

/** The failure for a broken rule, naming the line of the list and, where it is of an entry, that. */
export function rejection(broken: RuleBroken, line: number, entry?: Buffer): SlipwayFailure {
  const subject = entry === undefined ? 'the list of artifacts' : `the artifact ${shown(entry)}`;
  return new SlipwayFailure('ArtifactsRejected', `${subject} ${broken.message} (line ${line} of the list)`, {
    phase: 'extract',
    cause: broken,
    ...(entry === undefined ? {} : { items: [shown(entry)] }),
  });
}

const SHOWN_CHARACTERS = 120;

/** A name as it can be shown anywhere: in quotes, what is not printable escaped, cut after 120 characters. */
export function shown(name: Buffer): string {
  const text = name.subarray(0, SHOWN_CHARACTERS * 4).toString('utf8');
  const characters = [...text];
  const cut = characters.slice(0, SHOWN_CHARACTERS).map(escaped).join('');
  const more = characters.length > SHOWN_CHARACTERS || name.length > SHOWN_CHARACTERS * 4;
  return `"${cut}${more ? '…' : ''}"`;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  if (!/[\p{C}\p{Zl}\p{Zp}\uFFFD]/u.test(character)) return character;
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
