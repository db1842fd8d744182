import { rm } from 'node:fs/promises';
import type { ScratchFolder } from '../host/scratch.ts';
import { createSparseFile } from './sparse-file.ts';

/** Disk and swap of one guest: raw files or block devices. */
export interface Disks {
  disk: string;
  swap: string;
}

/** Sizes of both, MiB. */
export interface DiskSizes {
  diskMiB: number;
  swapMiB: number;
}

/**
 * Where the disks of guests live. What a lease was given is found from its scratch folder alone, so that every step,
 * of this worker or the next, works on the same.
 */
export interface DiskPlaces {
  /**
   * Gives a lease disk and swap, empty and of these sizes at the least. Idempotent; what an earlier attempt left on
   * them is gone.
   * @throws SlipwayFailure ScratchFull where there is none to be had; HostUnfit where one must not be used
   */
  give(scratch: ScratchFolder, sizes: DiskSizes): Promise<Disks>;
  /** An empty disk in the place of the one given, which a killed attempt may still be writing into. */
  renewDisk(scratch: ScratchFolder, diskMiB: number): Promise<void>;
  /** What a lease was given. */
  find(scratch: ScratchFolder): Promise<Disks>;
  /** Takes them back; idempotent. The scratch folder itself is deleted by the caller. */
  takeBack(scratch: ScratchFolder): Promise<void>;
}

/** Sparse files in the scratch folder. */
export const diskFiles: DiskPlaces = {
  async give({ disk, swap }, { diskMiB, swapMiB }) {
    await createSparseFile(disk, diskMiB);
    await createSparseFile(swap, swapMiB);
    return { disk, swap };
  },
  async renewDisk({ disk }, diskMiB) {
    // Another file, not the same one emptied: the mkfs of a killed attempt may still be writing into that.
    await rm(disk, { force: true });
    await createSparseFile(disk, diskMiB);
  },
  find: async ({ disk, swap }) => ({ disk, swap }),
  async takeBack() {},
};
