import type { ReportProgress } from '../host/progress.ts';

/** Reports at most five times a second, and at the end. */
export class ThrottledProgress {
  /** What is being copied now. */
  what = '';
  #done = 0;
  #last = 0;
  readonly #total: number;
  readonly #report: ReportProgress;

  constructor(total: number, report: ReportProgress) {
    this.#total = total;
    this.#report = report;
  }

  add(bytes: number): void {
    this.#done += bytes;
    if (performance.now() - this.#last >= 200) this.end();
  }

  end(): void {
    this.#last = performance.now();
    this.#report({ what: this.what, done: this.#done, total: this.#total, unit: 'bytes' });
  }
}
