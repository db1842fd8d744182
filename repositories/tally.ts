import type { ReportProgress } from '../host/progress.ts';
import type { InputFile } from '../schema/lock.ts';

const REPORT_EVERY_MS = 200;

/** Adds up the bytes of several files that arrive at the same time. */
export interface Tally {
  /** `have`: bytes of this file that are there now; `arrived`: how many of them just came from outside. */
  add(file: InputFile, have: number, arrived: number): void;
  /** Reports the end. */
  end(): { downloadedBytes: number; inputBytes: number };
}

export function createTally(files: readonly InputFile[], report: ReportProgress): Tally {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const there = new Map<string, number>();
  let done = 0;
  let downloadedBytes = 0;
  let reported = 0;
  return {
    add(file, have, arrived) {
      done += have - (there.get(file.sha256) ?? 0);
      there.set(file.sha256, have);
      downloadedBytes += arrived;
      const now = performance.now();
      if (now - reported < REPORT_EVERY_MS) return;
      reported = now;
      report({ what: file.name, done, total, unit: 'bytes' });
    },
    end() {
      report({ what: `${files.length} files`, done, total, unit: 'bytes' });
      return { downloadedBytes, inputBytes: total };
    },
  };
}
