import { log } from '@temporalio/activity';
import { layersOf } from '../schema/lock.ts';
import { activity } from './activity.ts';
import { ingredientsOf } from './build-root.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { readLock, scratchOf } from './on-host.ts';
import { rootKeys } from './root-key.ts';

type Needs = Pick<
  Dependencies,
  | 'host'
  | 'leases'
  | 'directories'
  | 'store'
  | 'recipes'
  | 'guests'
  | 'filesystems'
  | 'disks'
  | 'fill'
  | 'buildRoots'
>;

/** Keeps the installed disk for others. What is in the way of that is told to the operator and not to the build. */
export function keepRoot(needs: Needs): HostActivities['keepRoot'] {
  return activity('install', async (context, lease, request, digest, layer, kernel) =>
    inTurn(lease.id, async () => {
      context.signal.throwIfAborted();
      const scratch = await scratchOf(needs, lease);
      const lock = await readLock(needs, digest);
      const { disk } = await needs.disks.find(scratch);
      const keys = rootKeys(await ingredientsOf(needs, { lease, request, lock, disk, kernel }));
      const packages =
        layer === 'base' ? layersOf(lock).base.length : lock.base.length + lock.dependencies.length;
      const what = layer === 'base' ? 'base' : `${lock.source.name} ${lock.source.version}`;
      const about = { what: `${what}, ${lock.architecture}, ${packages} packages` };
      const key = layer === 'base' ? keys.base : keys.whole;
      try {
        return await needs.buildRoots.keep(key, lease.id, disk, about, context);
      } catch (error) {
        context.signal.throwIfAborted();
        log.warn('the build root could not be kept', { error });
        await needs.buildRoots.giveUp(lease.id);
        return { kept: false, why: (error as Error).message };
      }
    }),
  );
}
