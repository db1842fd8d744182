import type { Waiting } from '../activities/contract.ts';
import type { Phase } from '../schema/failures.ts';
import type { Failure } from '../schema/result.ts';

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
  /** Name of the live log in the store. */
  logStream: string;
  failure?: Failure;
}
