import { deleteScratch as deleteFolder } from '../host/scratch.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';

export function deleteScratch({
  directories,
}: Pick<Dependencies, 'directories'>): HostActivities['deleteScratch'] {
  return activity(undefined, async (_context, lease) =>
    inTurn(lease.id, () => deleteFolder(directories.scratch, lease.id)),
  );
}
