import { deleteScratch as deleteFolder, scratchFolder } from '../host/scratch.ts';
import { undoMounts } from '../images/undo-mounts.ts';
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

/**
 * First whatever is mounted of the disks, then the disks, then the folder: with it goes the record of what a lease was
 * given.
 */
export async function removeScratch({ directories, disks }: Needs, id: string): Promise<void> {
  const scratch = scratchFolder(directories.scratch, id);
  await undoMounts(scratch.folder);
  await disks.takeBack(scratch);
  await deleteFolder(directories.scratch, id);
}
