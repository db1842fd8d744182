import { CommandFailed } from '../../../host/run.ts';
import { SlipwayFailure } from '../../../schema/failures.ts';
import { readDeb } from './deb-file.ts';
import type { Extractor } from './extractor.ts';
import { ControlReader, type PackageControl, type PackageInput, rejected } from './package-control.ts';
import { type TarMember, TarReader, type TarUse } from './tar-reader.ts';
import { type Entry, Sums, toPath, type Unpacked } from './unpacked.ts';

/** Decides for each entry of a package whether it is unpacked. */
export type Choose = (entry: Entry, control: PackageControl) => boolean;

/** Told of a package before its first entry. */
export type Begun = (control: PackageControl) => void;

/** The one reading of a package: its control files are kept, of its files those that are wanted go to an extractor. */
export class PackageReading {
  readonly file: PackageInput;
  /** What has come so far. */
  readonly entries: Entry[] = [];
  readonly #choose: Choose;
  readonly #begun: Begun;
  readonly #reader: ControlReader;
  #known: { control: PackageControl; sums: Sums } | undefined;

  constructor(file: PackageInput, choose: Choose, begun: Begun = () => {}) {
    this.file = file;
    this.#choose = choose;
    this.#begun = begun;
    this.#reader = new ControlReader(file);
  }

  /**
   * @param path of the .deb file
   * @throws SlipwayFailure InputRejected, HostUnfit; what the extractor failed with or `choose` throws, as it is
   */
  async read(path: string, to: Extractor, signal: AbortSignal): Promise<Unpacked> {
    const tar = new TarReader((member, archive) => this.#visit(member, archive));
    try {
      await readDeb(path, (piece) => to.write(tar.read(piece)), signal);
      tar.end();
      const { control, sums } = this.#control();
      return { control, entries: this.entries, md5: sums.end() };
    } catch (error) {
      throw to.failedWith(error) ? error : asFailure(this.file, error);
    }
  }

  #visit(member: TarMember, archive: number): TarUse {
    if (archive === 0) return { pass: false, content: this.#reader.member(member) };
    if (archive > 1) throw rejected(this.file, 'there is more in it than two archives');
    const { control, sums } = this.#control();
    const entry = { path: toPath(member.name), member };
    this.entries.push(entry);
    return { pass: this.#choose(entry, control), content: sums.of(entry) };
  }

  /** The control files are complete when the first of the other ones comes. */
  #control() {
    if (this.#known === undefined) {
      const control = this.#reader.end();
      this.#known = { control, sums: new Sums(control) };
      this.#begun(control);
    }
    return this.#known;
  }
}

/** What a failure over a package means; `what` can be something else too. */
export function asFailure(what: PackageInput | string, error: unknown): unknown {
  const name = typeof what === 'string' ? what : `${what.package} ${what.version}`;
  const reject = (why: string) =>
    new SlipwayFailure('InputRejected', `${name} cannot be unpacked: ${why}`, {
      ...(typeof what === 'string' ? {} : { items: [what.package] }),
      cause: error,
    });
  // What the readers throw.
  if (error instanceof SyntaxError || error instanceof RangeError) return reject(error.message);
  if (!(error instanceof CommandFailed)) return error;
  if (error.code === 'ENOENT') return new SlipwayFailure('HostUnfit', error.message, { cause: error });
  if (/no space left|quota exceeded/i.test(error.stderr)) {
    return new SlipwayFailure('ScratchFull', `no room to unpack ${name}`, { cause: error });
  }
  // Killed, or out of its time: nothing is known of the package, and another attempt may do.
  return error.exitCode === undefined ? error : reject(error.message);
}
