import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';

export function releaseLease({ leases }: Pick<Dependencies, 'leases'>): HostActivities['releaseLease'] {
  return activity(undefined, async (_context, lease) => leases.release(lease.id));
}
