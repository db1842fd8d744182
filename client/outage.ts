import { duration } from './printable.ts';

/** Whether Temporal is away, for someone who watches a build: says once that it is, and once that it is back. */
export class Outage {
  readonly #address: string;
  readonly #say: (line: string) => void;
  #lastAnswer = Date.now();
  #isAway = false;

  /** @param address where Temporal is looked for */
  constructor(address: string, say: (line: string) => void) {
    this.#address = address;
    this.#say = say;
  }

  /** Takes what came of asking Temporal. */
  heard(answers: boolean): void {
    if (answers) {
      this.#lastAnswer = Date.now();
      if (this.#isAway) this.#say(`Temporal at ${this.#address} answers again`);
      this.#isAway = false;
    } else if (!this.#isAway) {
      this.#isAway = true;
      this.#say(this.text() ?? '');
    }
  }

  /** What to show of it now; undefined while Temporal answers. */
  text(): string | undefined {
    if (!this.#isAway) return undefined;
    const since = duration(Math.round((Date.now() - this.#lastAnswer) / 1000));
    return `Temporal at ${this.#address} does not answer since ${since}; the build goes on, waiting for it`;
  }
}
