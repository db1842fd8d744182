import { mkdir, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { SlipwayFailure } from '../schema/failures.ts';
import { CorruptFile, ignoreMissing, TEMPORARY_PREFIX, writeFileAtomic } from './atomic-file.ts';
import { bootId } from './boot-time.ts';
import { withFileLock } from './file-lock.ts';
import {
  type AllLeases,
  type CorruptLease,
  checkedLeaseId,
  LeaseRecord,
  leaseIds,
  readLease,
  readLeases,
} from './lease-record.ts';
import { asScratchFull } from './scratch-full.ts';

/** What a build asks for. Ask again with the same id to get the same place. */
export type WantedLease = Pick<LeaseRecord, 'id' | 'build' | 'run' | 'round' | 'vm' | 'memoryMiB'>;

/** What a host has to give to all guests together. */
export interface Capacity {
  builds: number;
  memoryMiB: number;
}

/** The places of a host: files of one folder, shared by all processes of the host. */
export interface Leases {
  /**
   * Takes a place. Repeatable: the same id gets the same place.
   * @throws SlipwayFailure HostFull where there is none now; NoHostAvailable where this host never has as much memory
   */
  claim(wanted: WantedLease): Promise<LeaseRecord>;
  /** Undefined where there is none. @throws CorruptFile */
  get(id: string): Promise<LeaseRecord | undefined>;
  /** The lease that a step relies on. @throws SlipwayFailure LeaseLost, HostRebooted */
  check(id: string): Promise<LeaseRecord>;
  /** Gives the place back, also that of a damaged file. Idempotent. */
  release(id: string): Promise<void>;
  /** All that can be read, oldest first. */
  list(): Promise<LeaseRecord[]>;
  /** What cannot be read; each takes a place until it is released. */
  listCorrupt(): Promise<CorruptLease[]>;
  /** How many places are taken; reads no file. */
  taken(): Promise<number>;
}

/** Longest wait for another process that is claiming; below the 10 s that an attempt to claim has. */
const LOCK_SECONDS = 5;

/** Opens the leases of a host; makes the folder where it is missing. */
export async function openLeases(options: {
  directory: string;
  host: string;
  queue: string;
  capacity: Capacity;
}): Promise<Leases> {
  const { directory, host, queue, capacity } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = (id: string) => join(directory, `${checkedLeaseId(id)}.json`);
  const get = (id: string) => readLease(path(id), id);
  // Spares the callers of this process a flock(1) each that would only wait for the one before.
  const oneAtATime = pLimit(1);

  async function claimLocked(wanted: WantedLease): Promise<LeaseRecord> {
    const taken = await get(wanted.id);
    if (taken !== undefined) return taken;
    refuseWhereFull(await readLeases(directory), wanted, host, capacity);
    const lease: LeaseRecord = {
      version: 1,
      id: wanted.id,
      build: wanted.build,
      run: wanted.run,
      round: wanted.round,
      vm: wanted.vm,
      memoryMiB: wanted.memoryMiB,
      host,
      queue,
      bootId: bootId(),
      claimedAt: new Date().toISOString(),
    };
    const text = `${JSON.stringify(LeaseRecord.parse(lease), null, 2)}\n`;
    await writeFileAtomic(path(wanted.id), text, { mode: 0o600 }).catch((error) => {
      throw asScratchFull(error, directory);
    });
    return lease;
  }

  return {
    get,
    claim: (wanted) =>
      oneAtATime(() =>
        withFileLock(join(directory, '.lock'), LOCK_SECONDS, async () => {
          await sweepTemporary(directory);
          return claimLocked(wanted);
        }),
      ),
    check: (id) => checkLease(id, host, get),
    release: async (id) => {
      await unlink(path(id)).catch(ignoreMissing);
    },
    list: async () => (await readLeases(directory)).leases,
    listCorrupt: async () => (await readLeases(directory)).corrupt,
    taken: async () => (await leaseIds(directory)).length,
  };
}

/** Nobody else writes here under the lock, so that what a killed claim left can go at once. */
async function sweepTemporary(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(TEMPORARY_PREFIX)) await unlink(join(directory, name)).catch(ignoreMissing);
  }
}

async function checkLease(
  id: string,
  host: string,
  get: (id: string) => Promise<LeaseRecord | undefined>,
): Promise<LeaseRecord> {
  const lease = await get(id).catch((error: unknown) => {
    if (!(error instanceof CorruptFile)) throw error;
    throw new SlipwayFailure('LeaseLost', `the lease ${id} on ${host} cannot be read: ${error.message}`);
  });
  if (lease === undefined) {
    throw new SlipwayFailure('LeaseLost', `host ${host} has no lease ${id} any more`);
  }
  if (lease.bootId !== bootId()) {
    throw new SlipwayFailure('HostRebooted', `host ${host} was rebooted after it gave the lease ${id}`);
  }
  return lease;
}

function refuseWhereFull(all: AllLeases, wanted: WantedLease, host: string, capacity: Capacity): void {
  if (wanted.memoryMiB > capacity.memoryMiB) {
    throw new SlipwayFailure(
      'NoHostAvailable',
      `${wanted.build} wants ${wanted.memoryMiB} MiB of memory; host ${host} gives ${capacity.memoryMiB} MiB to all guests together`,
      { advice: `Lower resources.memoryMiB, raise the capacity of ${host}, or start a larger host.` },
    );
  }
  const places = all.leases.length + all.corrupt.length;
  if (places >= capacity.builds) {
    const damaged = all.corrupt.map((lease) => `; ${lease.path} is damaged and takes one`).join('');
    throw new SlipwayFailure(
      'HostFull',
      `host ${host}: ${places} of ${capacity.builds} places are taken${damaged}`,
    );
  }
  const used = all.leases.reduce((sum, lease) => sum + lease.memoryMiB, 0);
  if (used + wanted.memoryMiB > capacity.memoryMiB) {
    throw new SlipwayFailure(
      'HostFull',
      `host ${host}: ${wanted.memoryMiB} MiB wanted, ${used} of ${capacity.memoryMiB} MiB are taken`,
    );
  }
}
