/**
 * Fields of one stanza of a Debian control file, with their order and spelling, values with their white space: it goes
 * into dpkg's status as it is, unlike what readParagraphs() of repositories/ understands.
 */
export type Stanza = Map<string, string>;

/**
 * Reads the first stanza of a control file.
 * @throws RangeError on a line that is neither a field nor a continuation
 */
export function parseStanza(text: string): Stanza {
  const fields: Stanza = new Map();
  let last: string | undefined;
  for (const line of text.trimStart().split('\n')) {
    if (line.trim() === '') break;
    if (/^[ \t]/.test(line) && last !== undefined) {
      fields.set(last, `${fields.get(last)}\n${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon < 1) throw new RangeError(`not a field of a control file: ${JSON.stringify(line)}`);
    last = line.slice(0, colon);
    fields.set(last, line.slice(colon + 1).replace(/^[ \t]+/, ''));
  }
  return fields;
}

export function formatStanza(fields: Stanza): string {
  const line = ([name, value]: [string, string]) =>
    value === '' || value.startsWith('\n') ? `${name}:${value}\n` : `${name}: ${value}\n`;
  return [...fields].map(line).join('');
}
