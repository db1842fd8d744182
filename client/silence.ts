import type { BuildReport } from './report.ts';

/** Longer than a busy machine lets a healthy worker be silent. */
const PATIENCE_MILLISECONDS = 30_000;

export const NO_WORKER = 'no worker answers: start one with slipway dev or slipway worker';

/** How long a build's workflow has not answered, for someone who watches it, and what to advise. */
export class Silence {
  /** What to say of a silence that is long. */
  readonly text: string;
  readonly #isLocal: boolean;
  #since: number | undefined;
  #hasAnswered = false;

  /** @param isLocal whether the worker was brought for the build: then there is none to start */
  constructor(isLocal: boolean) {
    this.#isLocal = isLocal;
    this.text = isLocal ? 'the worker does not answer; the machine may be too busy' : NO_WORKER;
  }

  /** Takes a report, at a time in milliseconds. Returns what to say now; undefined where it is too early to say. */
  heard({ status, noAnswer }: BuildReport, now = performance.now()): string | undefined {
    if (status !== undefined) this.#hasAnswered = true;
    if (noAnswer === undefined || noAnswer === 'busy') {
      this.#since = undefined;
      return undefined;
    }
    this.#since ??= now;
    // After its own restart Temporal knows of no workers until they ask again.
    const isSure = noAnswer === 'no-worker' && !this.#hasAnswered && !this.#isLocal;
    return isSure || now - this.#since >= PATIENCE_MILLISECONDS ? this.text : undefined;
  }

  /** Temporal itself was away: who was silent meanwhile is not known. */
  forget(): void {
    this.#since = undefined;
  }
}
