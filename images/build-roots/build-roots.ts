import type { StepContext } from '../../host/progress.ts';

/** SHA-256 of everything that went into a build root, filesystem and size of the disk among it: 64 hex digits. */
export type RootKey = string;

/** What became of looking for a kept root. */
export type Taken =
  | {
      outcome: 'copied';
      /** Bytes that were copied, or shared with the kept root, and verified. */
      bytes: number;
      /** `reflink`: the filesystem shares the blocks until one of the two is written to. */
      way: 'reflink' | 'copy';
    }
  | {
      /** There is none; the disk is empty. */
      outcome: 'make';
      /**
       * Whether it is this lease's to keep. Others wait for it until `keep` or `giveUp`, or until the lease is gone.
       * False where no roots are kept, or this one was just refused: everybody makes his own, nobody waits.
       */
      keep: boolean;
    }
  | {
      /** Another lease of this host makes it: ask again in a while. The disk is empty. */
      outcome: 'wait';
      madeBy: string;
    };

/** What became of keeping a root. `why`: for the operator. */
export type Kept = { kept: true; bytes: number } | { kept: false; why: string };

/** What a root is, for people; no part of the key. */
export interface AboutRoot {
  /** For instance `hello 2.10-3 amd64, 209 packages, ext4`. At most 500 characters are kept. */
  what: string;
}

/** A root that is kept, as operators see it. */
export interface KeptRoot {
  key: RootKey;
  /** Folder of it. */
  path: string;
  /** Bytes that it takes on the host's disk. */
  bytes: number;
  /** Milliseconds since 1970: when it was last taken or kept. */
  usedAt: number;
}

/**
 * The disks of this host's builds as they were after their install phase: only packages of the lock have run on them,
 * nothing of what is being built. Shared by all processes of the host. Only the host reads what is kept; a guest gets a
 * copy, as a raw disk.
 */
export interface BuildRoots {
  /**
   * Lays the kept root of a key on the disk of a lease: only its data is written, each piece verified as it is copied.
   * A root that does not hold what was kept is deleted and said to the log, and the answer is `make`. Who makes a root is
   * a record on disk, held for as long as the lease is: repeatable, the same lease gets the same answer.
   *
   * @param disk of the lease, in its full size and all zeros: a device comes from `DiskPlaces.renewDisk`, called before
   *   each attempt (an attempt that was killed has left half a root on it); a file is emptied here, whatever it holds
   * @throws SlipwayFailure HostUnfit where the root is of a disk of another size; ScratchFull where the copy has no room.
   *   The disk may hold half of a root then. RangeError where the key is none
   */
  take(key: RootKey, lease: string, disk: string, context: StepContext): Promise<Taken>;
  /**
   * Keeps the disk of the lease that makes the root of a key, and lets those who wait have it. The guest is off, and
   * nothing of a build has ever run on this disk. Repeatable. What it can not keep, for want of room, fails no build.
   *
   * Kept is only what the lease still has to make when all is copied: call `giveUp` before the disk is booted again
   * where this threw or was not waited for. What a frozen attempt has read of it since then is thrown away.
   *
   * @throws the signal's reason; errors of reading the disk
   */
  keep(key: RootKey, lease: string, disk: string, about: AboutRoot, context: StepContext): Promise<Kept>;
  /** The lease makes no root any more: it failed, was cancelled, or goes on without. Idempotent. */
  giveUp(lease: string): Promise<void>;
  /**
   * Deletes kept roots, those used longest ago first, until the filesystem of a folder should have so many bytes free;
   * none where they lie on another filesystem, and none where all of them would not do. For who would otherwise refuse a
   * build for want of room.
   * @returns bytes that were given free
   */
  makeRoom(folder: string, bytes: number): Promise<number>;
  /** All that is kept, used longest ago first. */
  list(): Promise<KeptRoot[]>;
}

/** Where no roots are kept. */
export const noBuildRoots: BuildRoots = {
  take: async () => ({ outcome: 'make', keep: false }),
  keep: async () => ({ kept: false, why: 'no build roots are kept on this host: buildRoots.maxGiB is 0' }),
  giveUp: async () => {},
  makeRoom: async () => 0,
  list: async () => [],
};
