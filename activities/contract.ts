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
  /** What the swap must hold at the least, whatever is asked for. Absent in older histories. */
  handedInMiB?: number;
  /** Number of files and their bytes. */
  files: number;
  bytes: number;
}

/**
 * What one boot installs: `whole`, all packages, unpacked by the host; `base`, those that many builds share, unpacked by
 * the host; `rest`, the others on an installed base, which the guest unpacks.
 */
export type RootLayer = 'whole' | 'base' | 'rest';

/** What a disk has of its build root from the beginning, and what remains. */
export interface RootStart {
  /** Of what the host kept. */
  reused: 'whole' | 'base' | 'nothing';
  /** To be installed, in this order; `keep`: whether the host wants to keep the disk then. */
  layers: { layer: RootLayer; keep: boolean }[];
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
  /** Disk and swap; on the disk what the host keeps of the build root. Says what remains to be installed. */
  createImage(lease: Lease, request: BuildRequest, lock: string): Promise<RootStart & { kernel: UsedKernel }>;
  /** Unpacks the packages of a layer into an empty disk. */
  preinstall(lease: Lease, request: BuildRequest, lock: string, layer: 'whole' | 'base'): Promise<void>;
  /** Boots the guest for a phase; `layer`: what the install phase installs. */
  runVm(
    lease: Lease,
    request: BuildRequest,
    lock: string,
    phase: 'install' | 'build',
    layer?: RootLayer,
  ): Promise<VmOutcome>;
  /** Keeps the disk, after the install phase of a layer, for the builds that come. */
  keepRoot(
    lease: Lease,
    request: BuildRequest,
    lock: string,
    layer: RootLayer,
    kernel: UsedKernel,
  ): Promise<{ kept: boolean; why?: string }>;
  extractArtifacts(lease: Lease, request: BuildRequest, nonce: string): Promise<Artifact[]>;
  /** Puts the artifacts (where there are any) and the whole log into the store. */
  uploadArtifacts(lease: Lease, artifacts: Artifact[]): Promise<{ log: { sha256: string; size: number } }>;

  // Compensations: idempotent, verified by looking.
  killVm(lease: Lease): Promise<void>;
  deleteScratch(lease: Lease): Promise<void>;
  releaseLease(lease: Lease): Promise<void>;
}

export type Activities = AnywhereActivities & DemandActivities & HostActivities;
