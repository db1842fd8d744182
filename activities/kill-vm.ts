import { BOOTS, type ScratchFolder, scratchFolder } from '../host/scratch.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';

/** Ends the VMs of all boots; looks that nothing of them is left. Needs no lease: it undoes what one allowed. */
export function killVm(needs: Pick<Dependencies, 'vms' | 'directories'>): HostActivities['killVm'] {
  return activity(undefined, (_context, lease) =>
    killVms(needs, scratchFolder(needs.directories.scratch, lease.id)),
  );
}

/** Whatever type they are of: it may be one that the host no longer proves. */
export async function killVms({ vms }: Pick<Dependencies, 'vms'>, scratch: ScratchFolder): Promise<void> {
  for (const vm of vms.values()) {
    for (const boot of BOOTS) await vm.kill(scratch.vm(boot));
  }
}
