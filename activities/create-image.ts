import { admit, createScratch } from '../host/scratch.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { scratchOf } from './on-host.ts';

const MIB = 1024 ** 2;

type Needs = Pick<Dependencies, 'leases' | 'directories' | 'disks'>;

/** Disk and swap. A guest may fill both, so that there must be room for all of them. */
export function createImage(needs: Needs): HostActivities['createImage'] {
  return activity('image', async (_context, lease, { resources }) =>
    inTurn(lease.id, async () => {
      await scratchOf(needs, lease);
      const scratch = await createScratch(needs.directories.scratch, lease.id);
      await admit(needs.directories.scratch, (resources.diskMiB + resources.swapMiB) * MIB);
      await needs.disks.give(scratch, resources);
    }),
  );
}
