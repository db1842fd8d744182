/** A paragraph of Debian's control format (deb822): field names in lower case, continuation lines joined by `\n`. */
export type Paragraph = ReadonlyMap<string, string>;

/** @throws SyntaxError with the line, as strict as dpkg: no junk, no field twice */
export function readParagraphs(text: string): Paragraph[] {
  const paragraphs: Map<string, string>[] = [];
  let current: Map<string, string> | undefined;
  let field: string | undefined;
  for (const line of text.split('\n')) {
    if (/^[ \t\r]*$/.test(line)) {
      current = undefined;
      field = undefined;
      continue;
    }
    if (line.startsWith('#')) continue;
    if (/^[ \t]/.test(line)) {
      if (current === undefined || field === undefined) throw new SyntaxError(`belongs to no field: ${line}`);
      current.set(field, `${current.get(field)}\n${line.trim()}`);
      continue;
    }
    const match = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line);
    if (match === null) throw new SyntaxError(`no field: ${line}`);
    field = (match[1] ?? '').toLowerCase();
    if (current === undefined) {
      current = new Map();
      paragraphs.push(current);
    }
    if (current.has(field)) throw new SyntaxError(`field given twice: ${match[1]}`);
    current.set(field, (match[2] ?? '').trim());
  }
  return paragraphs;
}
