import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import { removeScratch } from '../activities/delete-scratch.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import { killVms } from '../activities/kill-vm.ts';
import { leaseUse } from '../activities/lease-use.ts';
import { bootId } from '../host/boot-time.ts';
import type { LeaseRecord } from '../host/lease-record.ts';
import { scratchFolder } from '../host/scratch.ts';

const ANSWER_MILLISECONDS = 3000;
/** So many leases are judged at the same time: Temporal may be far away, and a large host has hundreds. */
const AT_ONCE = 8;
const EVERY_MILLISECONDS = 10_000;
/** A lease that its run has not named after so long never reached it. */
const UNNAMED_MILLISECONDS = 600_000;

type Needs = Pick<Dependencies, 'host' | 'vms' | 'leases' | 'directories' | 'disks'>;

export interface Reaped {
  /** Ids of leases whose VM, scratch and place are gone now. */
  reaped: string[];
  /** Why others were left: Temporal did not answer, or something could not be removed. */
  left: { id: string; reason: string }[];
}

/**
 * Keeps the host clean until told to stop, one pass at a time. Each pass is handed to `tell` where it did something or
 * could not.
 */
export async function keepClean(
  needs: Needs,
  client: Client,
  tell: (pass: Reaped) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(EVERY_MILLISECONDS, undefined, { signal, ref: false }).catch(() => undefined);
    if (!signal.aborted) tell(await reap(needs, client));
  }
}

/**
 * Removes what belongs to no open build: also run before polling, so that a host that comes back begins clean. A lease
 * of another boot of the host is dead whatever its build says; what Temporal does not judge is left.
 */
export async function reap(needs: Needs, client: Client): Promise<Reaped> {
  const result: Reaped = { reaped: [], left: [] };
  const limit = pLimit(AT_ONCE);
  const all = async (ids: readonly string[], cleanUp: (id: string) => Promise<boolean>) => {
    const ends = await Promise.allSettled(ids.map((id) => limit(cleanUp, id)));
    for (const [index, end] of ends.entries()) {
      const id = ids[index] ?? '';
      if (end.status === 'rejected') result.left.push({ id, reason: reasonOf(end.reason) });
      else if (end.value) result.reaped.push(id);
    }
  };
  const leases = new Map((await needs.leases.list()).map((lease) => [lease.id, lease]));
  await all([...leases.keys()], async (id) => {
    const lease = leases.get(id);
    return lease !== undefined && (await isDead(client, lease)) && remove(needs, id);
  });
  const corrupt = await needs.leases.listCorrupt();
  await all(
    corrupt.map(({ id }) => id),
    (id) => remove(needs, id),
  );
  await all(await orphans(needs), (id) => remove(needs, id));
  return result;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function isDead(client: Client, lease: LeaseRecord): Promise<boolean> {
  if (lease.bootId !== bootId()) return true;
  const run = { workflowId: lease.build, runId: lease.run };
  const use = await client.connection.withDeadline(Date.now() + ANSWER_MILLISECONDS, () =>
    leaseUse(client, run, lease.id),
  );
  if (use !== 'unknown') return use === 'abandoned';
  return Date.now() - Date.parse(lease.claimedAt) > UNNAMED_MILLISECONDS;
}

/** First the VM, then its disks, then the place: never two VMs where one may be. */
async function remove(needs: Needs, id: string): Promise<true> {
  await killVms(needs, scratchFolder(needs.directories.scratch, id));
  await removeScratch(needs, id);
  await needs.leases.release(id);
  return true;
}

/** Scratch folders of this host without a lease: a folder is made after its lease and deleted before it. */
async function orphans({ host, leases, directories }: Needs): Promise<string[]> {
  // In this order, or a lease made in between would be missed.
  const names = await readdir(directories.scratch);
  const held = new Set((await leases.list()).map(({ id }) => id));
  const ours = new RegExp(`^${host}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-\\d+-\\d+$`);
  return names.filter((name) => ours.test(name) && !held.has(name));
}
