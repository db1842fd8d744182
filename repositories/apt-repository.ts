/** An apt repository as the worker's configuration has it. */
export interface AptRepository {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /**
   * Who must have signed the Release file: an absolute path of a keyring, or a public key as text (armored).
   * Absent: the keyrings that apt trusts on this machine.
   */
  readonly signedBy?: string | undefined;
}

/** A repository with the keyring files that its `Signed-By` is to name; none: those that apt trusts on this machine. */
export interface SourceEntry {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly keyrings: readonly string[];
}

/** The text of a deb822 sources file for binary and source packages of each. */
export function aptSources(entries: readonly SourceEntry[]): string {
  return entries.map(stanza).join('\n');
}

function stanza(entry: SourceEntry): string {
  const fields: [string, readonly string[]][] = [
    ['Types', ['deb', 'deb-src']],
    // As URL writes it: blanks and line ends, which would begin other fields, are encoded or gone.
    ['URIs', entry.uris.map((uri) => new URL(uri).href)],
    ['Suites', entry.suites],
    ['Components', entry.components],
    ['Signed-By', entry.keyrings],
  ];
  return fields
    .filter(([, words]) => words.length > 0)
    .map(([name, words]) => `${name}: ${words.join(' ')}\n`)
    .join('');
}

/** For messages: `https://mirror/debian bookworm main`. */
export function describeRepositories(entries: readonly Omit<AptRepository, 'signedBy'>[]): string {
  return entries
    .map(({ uris, suites, components }) => [uris.join(' '), suites.join(' '), components.join(' ')].join(' '))
    .join('; ');
}
