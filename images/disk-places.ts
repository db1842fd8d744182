import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { admit, type ScratchFolder } from '../host/scratch.ts';
import { createSparseFile } from './sparse-file.ts';

const MIB = 1024 ** 2;

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
   * Refuses a claim whose disks cannot be given here. Reserves nothing.
   * @param root existing folder of all scratch folders
   * @throws SlipwayFailure ScratchFull where there is no room now, NoHostAvailable where there never is
   */
  admit(root: string, sizes: Pick<DiskSizes, 'diskMiB'> & Partial<DiskSizes>): Promise<void>;
  /**
   * Gives a lease disk and swap, empty and of these sizes at the least. Idempotent; what an earlier attempt left on
   * them is gone.
   * @throws SlipwayFailure ScratchFull where there is none to be had; HostUnfit where one must not be used
   */
  give(scratch: ScratchFolder, sizes: DiskSizes, signal: AbortSignal): Promise<Disks>;
  /**
   * An empty disk in the place of the one given, which a killed attempt may still be writing into.
   * @throws SlipwayFailure HostUnfit
   */
  renewDisk(scratch: ScratchFolder, diskMiB: number, signal: AbortSignal): Promise<void>;
  /** What a lease was given. @throws SlipwayFailure HostUnfit where it was given none, or it is another one now */
  find(scratch: ScratchFolder): Promise<Disks>;
  /** Takes them back; idempotent. The scratch folder itself is deleted by the caller. */
  takeBack(scratch: ScratchFolder): Promise<void>;
}

/**
 * Sparse files in the scratch folder.
 * @param makeRoom asked before so many bytes of the filesystem of a folder are said to be missing: deletes what can be
 *   had again
 */
export function createDiskFiles(makeRoom: (folder: string, bytes: number) => Promise<unknown>): DiskPlaces {
  // A guest may fill both, so that there must be room for all of them.
  async function refuseFull(
    root: string,
    { diskMiB, swapMiB = 0 }: Pick<DiskSizes, 'diskMiB'> & Partial<DiskSizes>,
  ) {
    const bytes = (diskMiB + swapMiB) * MIB;
    await makeRoom(root, bytes);
    await admit(root, bytes);
  }
  return {
    admit: refuseFull,
    async give({ folder, disk, swap }, sizes) {
      await refuseFull(dirname(folder), sizes);
      await createSparseFile(disk, sizes.diskMiB);
      await createSparseFile(swap, sizes.swapMiB);
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
}

/** Sparse files where nothing else takes room that could be given back. */
export const diskFiles: DiskPlaces = createDiskFiles(async () => undefined);
