import type { Waiting } from '../activities/contract.ts';
import type { Phase } from '../schema/failures.ts';
import type { BuildResult, Failure } from '../schema/result.ts';

/** Answer of the query `status`: what an operator or a client shows while the build runs. */
export interface BuildStatus {
  state: 'running' | 'succeeded' | 'failed' | 'cancelled';
  phase: Phase;
  /** ISO 8601; when the phase began. */
  phaseSince: string;
  /** Seconds that finished phases took. */
  phaseSeconds: Partial<Record<Phase, number>>;
  /** Why it waits, where it waits for something outside: NoHostAvailable, HostFull, a retry. */
  waiting?: Waiting;
  package?: { name: string; version: string };
  /** Digest of the lock, once resolved. */
  lock?: string;
  /** Host, once claimed. */
  host?: string;
  vm?: string;
  /** What the host had kept of the build root, once that is known. */
  keptRoot?: BuildResult['keptRoot'];
  /** Name of the live log in the store. */
  logStream: string;
  failure?: Failure;
}

/** What an operator reads of what a build begins from. */
export const KEPT_ROOT: Record<NonNullable<BuildStatus['keptRoot']>, string> = {
  whole: 'kept from an earlier build',
  base: 'its base kept from an earlier build, the rest installed',
  nothing: 'installed anew',
};
