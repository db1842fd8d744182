import type { Progress } from '../host/progress.ts';
import type { FailureDetails, FailureType } from '../schema/failures.ts';
import type { InputPart } from '../schema/lock.ts';
import type { BuildRequest, Isolation, VmType } from '../schema/request.ts';
import type { Artifact, BuildResult, UsedKernel, VmStatistics } from '../schema/result.ts';
import type { VmStatus } from '../vm/vm.ts';

/** A place on a host: what `claimHost` answers. Everything on that host is named by it. */
export interface Lease {
  /** `<host>-<run>-<round>-<attempt>`: letters, digits and `-`. */
  id: string;
  host: string;
  /** Task queue of that host alone. */
  queue: string;
  vm: { type: VmType; isolation: Isolation };
  /** How long the workflow waits for this host when it is silent, seconds: the operator's word. */
  graceSeconds: number;
}

/** What a build demands of a host; names the demand queue. */
export interface Demand {
  architecture: string;
  isolation: Isolation;
  type?: VmType | undefined;
  cpus: number;
  memoryMiB: number;
  diskMiB: number;
  /** At the least: a host whose filesystem has results in the swap makes it larger. Absent in older histories. */
  swapMiB?: number;
  /** A host that had its try: it takes the build again only where no other host does. */
  avoid?: string;
}

export interface ResolvedInputs {
  /** The request, validated, with all defaults applied. */
  request: BuildRequest;
  /** Digest of the lock, a blob in the store. */
  lock: string;
  package: { name: string; version: string };
  /** Number of files and their bytes. */
  files: number;
  bytes: number;
}

/** What a boot did, where it did something that the workflow goes on from. */
export interface VmOutcome {
  /** Absent: all commands succeeded. A failure of the `package` family: an outcome. Others are thrown. */
  failure?: FailureDetails;
  statistics: VmStatistics;
  /** What the letter box of this boot must carry. */
  nonce: string;
}

/** Heartbeat details of `runVm`: what a watcher shows beside the log. */
export interface VmProgress extends Progress {
  phase: 'install' | 'build';
  /** Since the VM was started. */
  seconds: number;
  logBytes: number;
  /** What the guest last said of itself. */
  sample?: NonNullable<VmStatus['sample']>;
}

/** Why a build waits. */
export interface Waiting {
  type: FailureType;
  message: string;
}

/** On the queue that all workers poll. */
export interface AnywhereActivities {
  /** Validates the request and resolves it to a lock. */
  resolveInputs(request: unknown): Promise<ResolvedInputs>;
  /** Why a claim was not answered yet: no host offers what is demanded, or what the last host said. */
  explainWait(demand: Demand): Promise<Waiting>;
  /** The commit point: publishes the result unless there is one; returns what is published. */
  publishResult(result: BuildResult): Promise<{ first: boolean; result: BuildResult }>;
}

/** On the demand queues that a host satisfies. */
export interface DemandActivities {
  /** Takes a place on the host; HostFull (retryable) where there is none. */
  claimHost(demand: Demand, round: number): Promise<Lease>;
}

/** On the host's own queue, each checking that its lease is still there. */
export interface HostActivities {
  /** Brings the files of a lock onto the host. `parts`: these alone; absent: all. */
  fetchInputs(
    lease: Lease,
    lock: string,
    parts?: InputPart[],
  ): Promise<{ downloadedBytes: number; inputBytes: number }>;
  createImage(lease: Lease, request: BuildRequest): Promise<void>;
  preinstall(lease: Lease, request: BuildRequest, lock: string): Promise<{ kernel: UsedKernel }>;
  runVm(lease: Lease, request: BuildRequest, lock: string, phase: 'install' | 'build'): Promise<VmOutcome>;
  extractArtifacts(lease: Lease, request: BuildRequest, nonce: string): Promise<Artifact[]>;
  /** Puts the artifacts (where there are any) and the whole log into the store. */
  uploadArtifacts(lease: Lease, artifacts: Artifact[]): Promise<{ log: { sha256: string; size: number } }>;

  // Compensations: idempotent, verified by looking.
  killVm(lease: Lease): Promise<void>;
  deleteScratch(lease: Lease): Promise<void>;
  releaseLease(lease: Lease): Promise<void>;
}

export type Activities = AnywhereActivities & DemandActivities & HostActivities;
