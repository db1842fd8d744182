import type { StepContext } from '../host/progress.ts';

/** A filesystem for the throwaway disk of a guest. */
export interface Filesystem {
  readonly name: string;
  /** Modules that the guest needs to mount it, beside what is built into the kernel. */
  readonly modules: readonly string[];
  /** Options for mounting it in the guest; made for a disk that is thrown away. */
  readonly mountOptions: readonly string[];
  /**
   * Makes the filesystem on a raw file (which exists in its full size) and fills it from a folder, without mount or
   * loop device.
   * @throws SlipwayFailure DiskFull where the tree does not fit, HostUnfit where mkfs is missing
   */
  fill(disk: string, tree: string, context: StepContext): Promise<void>;
}
