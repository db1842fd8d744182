/**
 * Compares two versions of Debian packages as dpkg does (Policy 5.6.12): below 0 where the first is older, 0 where they
 * are equal, above 0 where it is newer.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  const epochs = left.epoch - right.epoch;
  if (epochs !== 0) return epochs;
  return compareWords(left.upstream, right.upstream) || compareWords(left.revision, right.revision);
}

function parts(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return {
    epoch: colon === -1 ? 0 : Number(version.slice(0, colon)),
    upstream: dash === -1 ? rest : rest.slice(0, dash),
    revision: dash === -1 ? '' : rest.slice(dash + 1),
  };
}

/** In turns: what is no digit, character by character; then a number, by its value. */
function compareWords(a: string, b: string): number {
  let [left, right] = [a, b];
  while (left !== '' || right !== '') {
    const [text, otherText] = [/^[^0-9]*/.exec(left)?.[0] ?? '', /^[^0-9]*/.exec(right)?.[0] ?? ''];
    for (let at = 0; at < Math.max(text.length, otherText.length); at++) {
      const difference = weight(text[at]) - weight(otherText[at]);
      if (difference !== 0) return difference;
    }
    [left, right] = [left.slice(text.length), right.slice(otherText.length)];
    const [number, otherNumber] = [/^[0-9]*/.exec(left)?.[0] ?? '', /^[0-9]*/.exec(right)?.[0] ?? ''];
    const difference = BigInt(number) - BigInt(otherNumber);
    if (difference !== 0n) return difference < 0n ? -1 : 1;
    [left, right] = [left.slice(number.length), right.slice(otherNumber.length)];
  }
  return 0;
}

/** `~` before the end, the end before letters, letters before all else. */
function weight(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === '~') return -1;
  return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256;
}
