import { PassThrough, type Readable } from 'node:stream';
import { TAR_END } from './tar-format.ts';

/** What is kept of an archive that is not unpacked yet, bytes. */
const AHEAD = 1 << 19;

/** A program that unpacks members of tar archives as they are written to it. */
export class Extractor {
  readonly #into = new PassThrough({ highWaterMark: AHEAD });
  readonly #ended: Promise<void>;
  #failure: { error: unknown } | undefined;
  #wake = () => {};

  /** @param run starts the program with this as its standard input; ends when it does */
  constructor(run: (input: Readable) => Promise<unknown>) {
    // What is written to a program that has ended is lost; it says itself why it ended.
    this.#into.on('error', () => undefined).on('drain', () => this.#wake());
    this.#ended = run(this.#into).then(
      () => undefined,
      (error: unknown) => {
        this.#failure = { error };
        this.#wake();
      },
    );
  }

  /**
   * Takes whole members or parts of them, in order.
   * @returns what to wait for before more is written
   * @throws what the program failed with, also of what was written before
   */
  write(pieces: readonly Buffer[]): Promise<void> | undefined {
    this.#check();
    let room = true;
    for (const piece of pieces) room = this.#into.write(piece);
    return room ? undefined : this.#drained();
  }

  /** Everything is written: waits until it is unpacked. @throws as write() */
  async end(): Promise<void> {
    this.#into.end(TAR_END);
    await this.#ended;
    this.#check();
  }

  /** Gives up, and waits until the program has ended. Throws nothing. */
  async abandon(): Promise<void> {
    this.#into.destroy();
    await this.#ended;
  }

  /** Whether an error is the program's own. */
  failedWith(error: unknown): boolean {
    return this.#failure?.error === error;
  }

  async #drained(): Promise<void> {
    if (this.#into.writableNeedDrain) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
