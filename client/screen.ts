import { StringDecoder } from 'node:string_decoder';
import type { WriteStream } from 'node:tty';
import { printable } from './printable.ts';

const CLEAR_LINE = '\r\u001b[2K';
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * Lines that scroll and, on a terminal, one status line below them that is drawn over and over. Elsewhere there is no
 * status line, and nothing but text.
 */
export class Screen {
  readonly #out: NodeJS.WritableStream;
  readonly isTerminal: boolean;
  readonly #decoder = new StringDecoder('utf8');
  #status = '';
  #partial = '';
  #held: string | undefined;
  #tick = 0;

  constructor(out: NodeJS.WritableStream) {
    this.#out = out;
    this.isTerminal = 'isTTY' in out && out.isTTY === true;
  }

  /** One line, or several. */
  line(text: string): void {
    this.#scroll(`${text}\n`);
  }

  /** Bytes of a log: whole lines are shown at once, the rest when it is whole. */
  log(bytes: Uint8Array): void {
    const text = this.#partial + this.#decoder.write(Buffer.from(bytes));
    const end = text.lastIndexOf('\n') + 1;
    this.#partial = text.slice(end);
    if (end > 0) this.#scroll(this.isTerminal ? printable(text.slice(0, end)) : text.slice(0, end));
  }

  /** What is left of a log that does not end with a newline. */
  endLog(): void {
    const rest = this.#partial + this.#decoder.end();
    this.#partial = '';
    if (rest !== '') this.line(this.isTerminal ? printable(rest) : rest);
  }

  status(text: string): void {
    this.#status = text;
    this.#tick++;
    if (this.isTerminal && this.#held === undefined) this.#out.write(CLEAR_LINE + this.#drawn());
  }

  /** Leaves the terminal to someone else; what comes meanwhile is shown at `resume`. */
  pause(): void {
    this.#clear();
    this.#held ??= '';
  }

  resume(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held) this.#scroll(held);
  }

  /** Removes the status line. */
  end(): void {
    this.resume();
    this.endLog();
    this.#clear();
    this.#status = '';
  }

  #scroll(text: string): void {
    if (this.#held !== undefined) {
      this.#held += text;
      return;
    }
    this.#clear();
    this.#out.write(text);
    if (this.isTerminal && this.#status !== '') this.#out.write(this.#drawn());
  }

  #clear(): void {
    if (this.isTerminal && this.#held === undefined && this.#status !== '') this.#out.write(CLEAR_LINE);
  }

  #drawn(): string {
    const columns = (this.#out as WriteStream).columns || 80;
    return `${SPINNER[this.#tick % SPINNER.length]} ${this.#status}`.slice(0, columns - 1);
  }
}
