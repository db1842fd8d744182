import { setTimeout as sleep } from 'node:timers/promises';
import type { StepContext } from '../host/progress.ts';
import type { RootKey, Taken } from '../images/build-roots/build-roots.ts';
import { lookAtDisk } from '../images/raw-disk.ts';
import type { Lock } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';
import type { UsedKernel } from '../schema/result.ts';
import type { Lease, RootStart } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { filesystemOf } from './on-host.ts';
import type { RootIngredients } from './root-key.ts';

/** How often is looked whether another build has made the root that this one waits for. */
const LOOK_MILLISECONDS = 500;

interface Of {
  lease: Lease;
  request: BuildRequest;
  lock: Lock;
  disk: string;
  kernel: UsedKernel;
}

/** All that goes into the build root of a build on this host. */
export async function ingredientsOf(
  needs: Pick<Dependencies, 'host' | 'recipes' | 'guests' | 'filesystems' | 'fill'>,
  { lease, request, lock, disk, kernel }: Of,
): Promise<RootIngredients> {
  return {
    lock,
    plan: needs.recipes[request.recipe.kind].plan(request, lock),
    filesystem: filesystemOf(needs, request),
    fill: needs.fill,
    diskBytes: (await lookAtDisk(disk)).bytes,
    vm: lease.vm.type,
    kernel,
    code: await needs.guests.code(),
  };
}

/**
 * Lays on the disk what is kept of a build root: all of it, else the base, else nothing; and says what remains to be
 * installed. A root that another build of this host makes just now is waited for.
 */
export async function startFromKept(
  { buildRoots }: Pick<Dependencies, 'buildRoots'>,
  keys: { base: RootKey; whole: RootKey },
  lease: Lease,
  disk: string,
  context: StepContext,
): Promise<RootStart> {
  const take = (key: RootKey) => taken(() => buildRoots.take(key, lease.id, disk, context), context);
  const whole = await take(keys.whole);
  if (whole.outcome === 'copied') return { reused: 'whole', layers: [] };
  const { keep } = whole;
  if (keys.base === keys.whole) return { reused: 'nothing', layers: [{ layer: 'whole', keep }] };
  // Who waits here holds the whole and waits for a base; nobody does it the other way round.
  const base = await take(keys.base);
  if (base.outcome === 'copied') return { reused: 'base', layers: [{ layer: 'rest', keep }] };
  // With nothing to keep, layers would cost a boot more and give nothing.
  if (!base.keep && !keep) return { reused: 'nothing', layers: [{ layer: 'whole', keep }] };
  // Also where the base is not to be kept: what is kept under one name was made in one way.
  const layers: RootStart['layers'] = [
    { layer: 'base', keep: base.keep },
    { layer: 'rest', keep },
  ];
  return { reused: 'nothing', layers };
}

async function taken(
  take: () => Promise<Taken>,
  { report, signal }: StepContext,
): Promise<Exclude<Taken, { outcome: 'wait' }>> {
  const since = performance.now();
  for (;;) {
    const result = await take();
    if (result.outcome !== 'wait') return result;
    const done = Math.round((performance.now() - since) / 1000);
    report({ what: `waits for the build root that ${result.madeBy} makes`, done, unit: 'seconds' });
    await sleep(LOOK_MILLISECONDS, undefined, { signal });
  }
}
