import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Isolation, VmType } from '../schema/request.ts';
import { CorruptFile, readJson } from './atomic-file.ts';

const LEASE_ID = /^[A-Za-z0-9-]{1,200}$/;

/** Ids come from the history and name files and folders. @throws RangeError where it is not the id of a lease */
export function checkedLeaseId(id: string): string {
  if (!LEASE_ID.test(id)) throw new RangeError(`not the id of a lease: ${JSON.stringify(id)}`);
  return id;
}

/** A place on this host that a build has taken, as it lies on disk. */
export const LeaseRecord = z.strictObject({
  version: z.literal(1),
  id: z.string().regex(LEASE_ID, 'must be letters, digits and -'),
  build: z.string().describe('Workflow id'),
  run: z.string().describe('Workflow run id'),
  round: z.int().min(0).describe('How many places this run has taken before'),
  vm: z.strictObject({ type: VmType, isolation: Isolation }),
  memoryMiB: z.int().min(1),
  host: z.string(),
  queue: z.string().describe('Task queue of the host alone'),
  bootId: z.string().describe('Of the boot of the host in which the place was taken'),
  claimedAt: z.iso.datetime(),
});
export type LeaseRecord = z.infer<typeof LeaseRecord>;

/** A lease file that cannot be read. */
export interface CorruptLease {
  id: string;
  path: string;
  /** For the operator: what is wrong with it. */
  problem: string;
}

export interface AllLeases {
  leases: LeaseRecord[];
  corrupt: CorruptLease[];
}

/** The ids of a folder's leases, whatever is in their files. */
export async function leaseIds(directory: string): Promise<string[]> {
  return (await readdir(directory)).sort().flatMap((name) => {
    const id = name.replace(/\.json$/, '');
    return id === name || !LEASE_ID.test(id) ? [] : [id];
  });
}

/** Every lease of a folder; a damaged file hides none of the others. */
export async function readLeases(directory: string): Promise<AllLeases> {
  const all: AllLeases = { leases: [], corrupt: [] };
  for (const id of await leaseIds(directory)) {
    const path = join(directory, `${id}.json`);
    try {
      const lease = await readLease(path, id);
      if (lease !== undefined) all.leases.push(lease);
    } catch (error) {
      if (!(error instanceof CorruptFile)) throw error;
      all.corrupt.push({ id, path, problem: error.message });
    }
  }
  all.leases.sort((a, b) => a.claimedAt.localeCompare(b.claimedAt));
  return all;
}

/** Undefined where there is none. @throws CorruptFile */
export async function readLease(path: string, id: string): Promise<LeaseRecord | undefined> {
  const lease = await readJson(path, LeaseRecord);
  if (lease !== undefined && lease.id !== id) throw new CorruptFile(path, `it is the lease ${lease.id}`);
  return lease;
}
