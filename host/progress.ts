/** How far a long step is; goes into the activity's heartbeat and from there to whoever watches. */
export interface Progress {
  /** What is being done, for a person: `hello_2.10-3.dsc`. */
  what: string;
  done: number;
  /** Absent where the end is not known. */
  total?: number;
  unit: 'bytes' | 'packages' | 'seconds' | 'files';
}

export type ReportProgress = (progress: Progress) => void;

/** What every long step is given. */
export interface StepContext {
  /** Aborted when the step must stop; everything that it started ends then. */
  signal: AbortSignal;
  report: ReportProgress;
}
