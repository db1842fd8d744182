import { mkdir, rm } from 'node:fs/promises';
import { createSparseFile } from '../images/sparse-file.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { readLock, scratchOf } from './on-host.ts';

type Needs = Pick<Dependencies, 'leases' | 'directories' | 'store' | 'recipes' | 'guests' | 'filesystem'>;

/** Unpacks the packages into a tree and the tree into the disk. Begins anew where an attempt was cut short. */
export function preinstall(needs: Needs): HostActivities['preinstall'] {
  return activity('preinstall', async (context, lease, request, digest) =>
    inTurn(lease.id, async () => {
      context.signal.throwIfAborted();
      const scratch = await scratchOf(needs, lease);
      const lock = await readLock(needs, digest);
      const plan = needs.recipes[request.recipe.kind].plan(request, lock);
      await rm(scratch.tree, { recursive: true, force: true });
      await mkdir(scratch.tree, { mode: 0o755 });
      await needs.guests.fillTree({ lock, plan, tree: scratch.tree }, context);
      await needs.guests.prepareKernel(lock, scratch, context);
      // Another file, not the same one emptied: the mkfs of a killed attempt may still be writing into that.
      await rm(scratch.disk, { force: true });
      await createSparseFile(scratch.disk, request.resources.diskMiB);
      await needs.filesystem.fill(scratch.disk, scratch.tree, context);
      // The disk has it all; from here on the tree would only take room.
      await rm(scratch.tree, { recursive: true, force: true });
    }),
  );
}
