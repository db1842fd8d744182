/** `fake`: a program under the real supervisor in every boot. `instant`: nothing runs, to see all but the guests. */
export const GUESTS = ['fake', 'instant'] as const;
export type Guest = (typeof GUESTS)[number];

export interface LoadOptions {
  /** All of them submitted at once. */
  builds: number;
  /** Of the one host: builds at the same time. */
  capacity: number;
  guest: Guest;
  /** Workflows of no-op activities with as many events, run afterwards on the same server; 0: none. */
  ceiling: number;
  /** So long no build may end before the rest of them is taken for lost. */
  patienceSeconds: number;
  signal: AbortSignal;
  /** Hears how far it is, every two seconds. */
  tell: (progress: string) => void;
}

/** Of each guest: many of them are to fit. */
export const BUILD_MEMORY_MIB = 256;

/** What the process of the worker is told. */
export interface LoadWorker {
  address: string;
  home: string;
  store: string;
  /** File with the workflow code. */
  workflows: string;
  capacity: number;
  guest: Guest;
}
