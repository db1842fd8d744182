import { fillDisk } from '../images/fill.ts';
import { undoMounts } from '../images/undo-mounts.ts';
import { layersOf } from '../schema/lock.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { filesystemOf, readLock, scratchOf } from './on-host.ts';

type Needs = Pick<
  Dependencies,
  'host' | 'leases' | 'directories' | 'store' | 'recipes' | 'guests' | 'filesystems' | 'disks' | 'fill'
>;

/** Unpacks the packages of a layer into a tree and the tree into the disk. Begins anew where an attempt was cut short. */
export function preinstall(needs: Needs): HostActivities['preinstall'] {
  return activity('preinstall', async (context, lease, request, digest, layer) =>
    inTurn(lease.id, async () => {
      context.signal.throwIfAborted();
      const scratch = await scratchOf(needs, lease);
      const lock = await readLock(needs, digest);
      const plan = needs.recipes[request.recipe.kind].plan(request, lock);
      const filesystem = filesystemOf(needs, request);
      // A worker that was killed while it filled the disk may have left it mounted.
      await undoMounts(scratch.folder);
      await needs.disks.renewDisk(scratch, request.resources.diskMiB, context.signal);
      const { disk } = await needs.disks.find(scratch);
      const packages = layer === 'base' ? layersOf(lock).base : [...lock.base, ...lock.dependencies];
      await fillDisk({ filesystem, way: needs.fill, disk, tree: scratch.tree, context }, (tree, filling) =>
        needs.guests.fillTree({ packages, plan, tree }, filling),
      );
    }),
  );
}
