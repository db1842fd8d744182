import type { Demand } from '../activities/contract.ts';
import type { Isolation } from '../schema/request.ts';

/** The queue that every worker polls: workflows and what any worker can do. Public API. */
export const COMMON_QUEUE = 'slipway';

/** The type name of the build workflow. Public API. */
export const BUILD_WORKFLOW = 'build';

/** Classes of memory, MiB: a demand goes to the smallest that holds it; a host polls all up to its own size. */
export const SIZE_CLASSES = {
  small: 4096,
  medium: 16_384,
  large: 65_536,
  huge: Number.MAX_SAFE_INTEGER,
} as const;
export type SizeClass = keyof typeof SIZE_CLASSES;

export function sizeClass(memoryMiB: number): SizeClass {
  const names = Object.keys(SIZE_CLASSES) as SizeClass[];
  return names.find((name) => memoryMiB <= SIZE_CLASSES[name]) ?? 'huge';
}

/**
 * A demand queue: `slipway-<architecture>-<minimum isolation>-<size class>`, or with the VM type in the place of the
 * isolation where one is demanded (no type is named like an isolation).
 */
export function demandQueue(
  demand: Pick<Demand, 'architecture' | 'isolation' | 'type' | 'memoryMiB'>,
): string {
  return queueName(demand.architecture, demand.type ?? demand.isolation, sizeClass(demand.memoryMiB));
}

export function queueName(
  architecture: string,
  what: Isolation | NonNullable<Demand['type']>,
  size: SizeClass,
): string {
  return `slipway-${architecture}-${what}-${size}`;
}

/** Name of the live log of a run in the store. */
export function logStream(run: string): string {
  return `logs/${run}`;
}

/** Name of the published record of a run: `results/<build id>/<run>`. */
export function resultRecord(build: string, run: string): string {
  return `results/${build}/${run}`;
}

/** Name of the memo field that holds the id of the lease that a run uses; the hosts' janitors read it. */
export const LEASE_MEMO = 'slipwayLease';

/** Type of what an attempt fails with that must leave its work to the next. */
export const ATTEMPT_STOPPED = 'AttemptStopped';

/** The queue of one host alone. */
export function hostQueue(host: string): string {
  return `slipway-host-${host}`;
}

/** A build id as people type it: `hello/5817da38`. */
export function shortId(build: string): string {
  const [, name = '', digest = ''] = build.split('/');
  return `${name}/${digest.slice(0, 8)}`;
}
