import { SlipwayFailure } from '../../../schema/failures.ts';
import { parseStanza, type Stanza } from './stanza.ts';
import type { TarMember } from './tar-reader.ts';

/** A binary package to unpack, as the lock names it. */
export interface PackageFile {
  /** The .deb file. */
  path: string;
  package: string;
  version: string;
  architecture: string;
  /** Bytes. Where they are known, large packages are begun with first. */
  size?: number;
}

/** One whose file may be yet to come. */
export interface PackageInput extends Omit<PackageFile, 'path'> {
  /**
   * Of the .deb file; or what brings it: called for a few packages more at a time than are worked on, and given up with
   * the signal.
   */
  path: string | ((signal: AbortSignal) => Promise<string>);
}

/** A member of a control archive. */
export interface ControlMember {
  content: Buffer;
  /** As scripts are. */
  executable: boolean;
}

/** What the control archive of a package says. All texts are a character a byte. */
export interface PackageControl {
  file: PackageInput;
  fields: Stanza;
  /** How dpkg names its files in `info/`: `<package>`, or `<package>:<architecture>` for Multi-Arch: same. */
  id: string;
  /** By name, all but `control`. */
  members: ReadonlyMap<string, ControlMember>;
  /** Absolute paths; `removed`: the package wants it gone on upgrade and does not ship it. */
  conffiles: { path: string; removed: boolean }[];
}

/** Takes the members of a control archive as they come. */
export class ControlReader {
  readonly #file: PackageInput;
  readonly #members = new Map<string, { pieces: Buffer[]; executable: boolean }>();

  constructor(file: PackageInput) {
    this.#file = file;
  }

  /**
   * @returns what gets the member's content
   * @throws SlipwayFailure InputRejected where it is not one that a control archive may have: plain files alone
   */
  member({ name, kind, mode }: TarMember): ((bytes: Buffer) => void) | undefined {
    const short = name.replace(/^\.\//, '');
    if (kind === 'folder' && (short === '' || short === '.')) return undefined;
    if (kind !== 'file' || !/^[a-z0-9.-]+$/.test(short))
      throw rejected(this.#file, `its control archive has ${JSON.stringify(short)}, which is no plain file`);
    const pieces: Buffer[] = [];
    this.#members.set(short, { pieces, executable: (mode & 0o111) !== 0 });
    return (bytes) => void pieces.push(bytes);
  }

  /**
   * All members have come.
   * @throws SlipwayFailure InputRejected where it is not the package that the lock names, or no sound package
   */
  end(): PackageControl {
    const file = this.#file;
    const members = new Map<string, ControlMember>();
    for (const [name, { pieces, executable }] of [...this.#members].sort(([a], [b]) => (a < b ? -1 : 1)))
      members.set(name, { content: Buffer.concat(pieces), executable });
    const control = members.get('control');
    if (control === undefined) throw rejected(file, 'its control archive has no file named control');
    members.delete('control');
    const fields = readFields(file, control.content.toString('latin1'));
    return {
      ...{ file, fields, members },
      id: fields.get('Multi-Arch') === 'same' ? `${file.package}:${file.architecture}` : file.package,
      conffiles: linesOf(members.get('conffiles')).map(parseConffile),
    };
  }
}

/** Lines of a member, without white space around them, without empty ones. */
export function linesOf(member: ControlMember | undefined): string[] {
  const text = member?.content.toString('latin1') ?? '';
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function readFields(file: PackageInput, text: string): Stanza {
  const fields = parseStanza(text);
  const named = [fields.get('Package'), fields.get('Version'), fields.get('Architecture')].join(' ');
  const expected = [file.package, file.version, file.architecture].join(' ');
  if (named !== expected) throw rejected(file, `the file says that it is ${named}, the lock ${expected}`);
  if (!/^[a-z0-9][a-z0-9+.-]+ \S+ [a-z0-9-]+$/.test(named)) throw rejected(file, 'its name is not valid');
  return fields;
}

function parseConffile(line: string): { path: string; removed: boolean } {
  const flag = 'remove-on-upgrade ';
  return line.startsWith(flag)
    ? { path: line.slice(flag.length).trim(), removed: true }
    : { path: line, removed: false };
}

export function rejected(file: PackageInput, why: string, cause?: unknown): SlipwayFailure {
  return new SlipwayFailure('InputRejected', `${file.package} ${file.version}: ${why}`, {
    items: [file.package],
    cause,
  });
}
