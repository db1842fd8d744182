import { createScratch } from '../host/scratch.ts';
import type { Filesystem } from '../images/filesystem.ts';
import { undoMounts } from '../images/undo-mounts.ts';
import { inputsOf, type Lock } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';
import { activity } from './activity.ts';
import { ingredientsOf, startFromKept } from './build-root.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { handedInMiB } from './handed-in.ts';
import { inTurn } from './in-turn.ts';
import { filesystemOf, readLock, scratchOf } from './on-host.ts';
import { rootKeys } from './root-key.ts';

type Needs = Pick<
  Dependencies,
  | 'host'
  | 'leases'
  | 'directories'
  | 'store'
  | 'inputs'
  | 'recipes'
  | 'guests'
  | 'disks'
  | 'filesystems'
  | 'fill'
  | 'buildRoots'
>;

/** Disk and swap, the disk with what is kept of its build root; and the kernel that boots. */
export function createImage(needs: Needs): HostActivities['createImage'] {
  return activity('image', async (context, lease, request, digest) =>
    inTurn(lease.id, async () => {
      context.signal.throwIfAborted();
      await scratchOf(needs, lease);
      const scratch = await createScratch(needs.directories.scratch, lease.id);
      const lock = await readLock(needs, digest);
      const filesystem = filesystemOf(needs, request);
      const { diskMiB } = request.resources;
      // A worker that was killed while it filled the disk may have left it mounted.
      await undoMounts(scratch.folder);
      const swapMiB = swapSize(request, filesystem, lock);
      const { disk } = await needs.disks.give(scratch, { diskMiB, swapMiB }, context.signal);
      await needs.disks.renewDisk(scratch, diskMiB, context.signal);
      await needs.inputs.fetch(inputsOf(lock, needs.guests.kernelParts(lease.vm.type)), context);
      const of = { lock, filesystem, scratch, vm: lease.vm.type };
      const kernel = await needs.guests.prepareKernel(of, context);
      const keys = rootKeys(await ingredientsOf(needs, { lease, request, lock, disk, kernel }));
      const start = await startFromKept(needs, keys, lease, disk, context);
      // The kernel of the host mounts the disks of several containers, which are copies of one then.
      if (lease.vm.type === 'container' && start.reused !== 'nothing')
        await filesystem.rename?.(disk, context);
      return { kernel, ...start };
    }),
  );
}

/** The longest list that is read (extraction/letter.ts), MiB. */
const LIST_MIB = 64;
/** Up to which each file in the swap is filled up, bytes. */
const UNIT = 512;

/**
 * Of the swap, MiB: at the least what is handed in through it, packages or sources; where content of results follows in
 * it, all that the limits allow must fit behind the list.
 */
export function swapSize(
  { resources, limits }: Pick<BuildRequest, 'resources' | 'limits'>,
  { content }: Pick<Filesystem, 'content'>,
  lock: Pick<Lock, 'source' | 'files' | 'base' | 'dependencies' | 'shared'>,
): number {
  const asked = Math.max(resources.swapMiB, handedInMiB(lock));
  if (content === 'device') return asked;
  const fillers = Math.ceil((limits.artifactFiles * UNIT) / 1024 ** 2);
  return Math.max(asked, LIST_MIB + limits.artifactsMiB + fillers + 1);
}
