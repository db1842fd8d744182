import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { Isolation, satisfies, VmType } from '../schema/request.ts';
import type { Demand } from './contract.ts';
import { pollersOf } from './pollers.ts';

/**
 * The queue by which hosts are known: each polls it always, also while it has no place and polls no demand queue, and
 * nothing is ever put into it. What a host offers is in the identity that it polls with, where Temporal's Web UI shows
 * it too.
 */
export const PRESENCE_QUEUE = 'slipway-hosts';

/** What a host says of itself. */
export const Presence = z.object({
  host: z.string(),
  /** Of all guests together. */
  memoryMiB: z.int().min(1),
  vms: z.array(
    z.object({ type: VmType, isolation: Isolation, architectures: z.array(z.string()).readonly() }),
  ),
});
export type Presence = z.infer<typeof Presence>;

/** Temporal takes no identity that is longer. */
const LONGEST_IDENTITY = 1000;

/** The identity to poll with. A host of so many architectures that it is too long says less of itself: its first VM types. */
export function identityOf({ host, memoryMiB, vms }: Presence): string {
  for (let count = vms.length; ; count--) {
    const identity = JSON.stringify({ host, memoryMiB, vms: vms.slice(0, count) });
    if (Buffer.byteLength(identity) <= LONGEST_IDENTITY || count === 0) return identity;
  }
}

/** A host polls anew every few seconds. */
const PRESENT_MILLISECONDS = 45_000;

/** The hosts whose workers run, by name. */
export async function presentHosts(client: Client): Promise<Presence[]> {
  const { identities } = await pollersOf(client, PRESENCE_QUEUE, PRESENT_MILLISECONDS);
  const found = identities.flatMap((identity) => parsed(identity) ?? []);
  const byName = new Map(found.map((presence) => [presence.host, presence]));
  return [...byName.values()].sort((a, b) => a.host.localeCompare(b.host));
}

/** Whether a host could run this at all, were it not for its memory. */
export function offers({ vms }: Presence, demand: Demand): boolean {
  return vms.some(
    (vm) =>
      vm.architectures.includes(demand.architecture) &&
      satisfies(vm.isolation, demand.isolation) &&
      (demand.type ?? vm.type) === vm.type,
  );
}

/** Somebody else's poller has another identity. */
function parsed(identity: string): Presence | undefined {
  try {
    return Presence.safeParse(JSON.parse(identity)).data;
  } catch {
    return undefined;
  }
}
