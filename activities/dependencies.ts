import type { Leases } from '../host/leases.ts';
import type { StepContext } from '../host/progress.ts';
import type { ScratchFolder } from '../host/scratch.ts';
import type { BuildRoots } from '../images/build-roots/build-roots.ts';
import type { DiskPlaces } from '../images/disk-places.ts';
import type { Filesystem, FillWay } from '../images/filesystem.ts';
import type { BuildPlan, Recipes } from '../recipes/recipe.ts';
import type { InputCache } from '../repositories/cache.ts';
import type { Resolver } from '../repositories/resolver.ts';
import type { InputFile, InputPart, Lock, LockedPackage } from '../schema/lock.ts';
import type { FilesystemName, VmType } from '../schema/request.ts';
import type { UsedKernel } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import type { GuestSpec, Vm } from '../vm/vm.ts';

/** What the activities stand on. Put together in one place: workers/compose.ts. */
export interface Dependencies {
  /** Name of this host. */
  host: string;
  /** How long the workflow waits for this host when it is silent. */
  graceSeconds: number;
  directories: { scratch: string };
  /** What a request may ask for at most. */
  ceilings: Ceilings;
  store: Store;
  resolver: Resolver;
  recipes: Recipes;
  inputs: Pick<InputCache, 'fetch' | 'path'>;
  /** Only those that this host has proven, best first. */
  vms: ReadonlyMap<VmType, Vm>;
  filesystems: Filesystems;
  /** Absent: the way that suits each filesystem. */
  fill?: FillWay | undefined;
  disks: DiskPlaces;
  buildRoots: BuildRoots;
  guests: Guests;
  leases: Leases;
}

/** What the disks of guests can have. */
export interface Filesystems {
  /** Where the request names none. */
  default: FilesystemName;
  byName: Readonly<Partial<Record<FilesystemName, Filesystem>>>;
}

/** Makes what a guest consists of. */
export interface Guests {
  /** Unpacks fetched packages of a lock into an empty folder; runs nothing of them. */
  fillTree(
    of: { packages: readonly LockedPackage[]; plan: BuildPlan; tree: string },
    context: StepContext,
  ): Promise<void>;
  /** What of a lock `prepareKernel` needs to be fetched. */
  kernelParts(vm: VmType): InputPart[];
  /** Lays kernel (for a container: none) and toolkit into the scratch folder, and says what they are. */
  prepareKernel(
    of: { lock: Lock; filesystem: Filesystem; scratch: ScratchFolder; vm: VmType },
    context: StepContext,
  ): Promise<UsedKernel>;
  /** Digest of the code that lays out build roots. */
  code(): Promise<string>;
  /** Puts fetched files of a lock into the swap for the guest that boots next. */
  handIn(
    scratch: ScratchFolder,
    swap: string,
    incoming: WantedIncoming,
    context: StepContext,
  ): Promise<NonNullable<GuestSpec['incoming']>>;
  /** Writes the initramfs of one boot to where the spec says. */
  writeInitramfs(scratch: ScratchFolder, spec: GuestSpec): Promise<void>;
}

/** Files for a folder of the build root; see Incoming. */
export interface WantedIncoming {
  folder: string;
  owner: number;
  files?: readonly InputFile[];
  /** In the place of files: for dpkg in the guest. */
  packages?: readonly LockedPackage[];
}

export interface Ceilings {
  cpus: number;
  /** Absent: none. Any worker resolves, so the capacity of its own host says nothing of the hosts that may build. */
  memoryMiB?: number;
  diskMiB: number;
  swapMiB: number;
  totalSeconds: number;
  logMiB: number;
  artifactsMiB: number;
}
