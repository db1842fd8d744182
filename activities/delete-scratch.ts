import { deleteScratch as deleteFolder, scratchFolder } from '../host/scratch.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';

type Needs = Pick<Dependencies, 'directories' | 'disks'>;

export function deleteScratch(needs: Needs): HostActivities['deleteScratch'] {
  return activity(undefined, async (_context, lease) =>
    inTurn(lease.id, () => removeScratch(needs, lease.id)),
  );
}

/** The disks first: with its folder goes the record of what a lease was given. */
export async function removeScratch({ directories, disks }: Needs, id: string): Promise<void> {
  await disks.takeBack(scratchFolder(directories.scratch, id));
  await deleteFolder(directories.scratch, id);
}
