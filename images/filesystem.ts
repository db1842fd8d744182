import type { StepContext } from '../host/progress.ts';
import type { FilesystemName } from '../schema/request.ts';
import type { GuestFilesystem } from '../vm/vm.ts';

/** How a disk gets its content: `copyin`, mkfs takes it from a folder; `mount`, through a loop device and a mount. */
export const FILL_WAYS = ['copyin', 'mount'] as const;
export type FillWay = (typeof FILL_WAYS)[number];

/** A filesystem for the throwaway disk of a guest. */
export interface Filesystem {
  readonly name: FilesystemName;
  /** Modules that the guest needs to mount it, beside what is built into the kernel. */
  readonly modules: readonly string[];
  /**
   * Options for mounting it in the guest; made for a disk that is thrown away. On the host only those of
   * `mountOptionsOnHost`: a broken disk may panic a guest, not the host.
   */
  readonly mountOptions: readonly string[];
  /** Where the content of results is found: see GuestFilesystem. */
  readonly content: GuestFilesystem['content'];
  /**
   * Makes an empty filesystem on a raw file or block device, which exists in its full size.
   * @throws SlipwayFailure DiskFull where the disk is too small for it, HostUnfit where mkfs is missing
   */
  make(disk: string, context: StepContext): Promise<void>;
  /**
   * Makes the filesystem and fills it from a folder, without mount or loop device. Absent where its mkfs cannot, or
   * not all that a tree can have: such a disk is filled by mounting.
   * @throws SlipwayFailure DiskFull where the tree does not fit, HostUnfit where mkfs is missing
   */
  copyIn?(disk: string, tree: string, context: StepContext): Promise<void>;
  /**
   * Gives a disk that is a copy a name of its own, so that the host's kernel mounts it beside the others. Absent where
   * that needs none. Repeatable.
   * @throws SlipwayFailure HostUnfit where it is no disk; CommandFailed
   */
  rename?(disk: string, context: StepContext): Promise<void>;
  /** Whether `copyIn` keeps all that a tree is. Absent: whatever it is. */
  canCopyIn?(tree: string, signal: AbortSignal): Promise<boolean>;
}

/** A filesystem whose mkfs can fill it. */
export type CopyInFilesystem = Filesystem & Required<Pick<Filesystem, 'copyIn'>>;

/** What a guest is told of the filesystem on its disk. */
export function guestFilesystem({ name, mountOptions, content }: Filesystem): GuestFilesystem {
  return { name, mountOptions, content };
}
