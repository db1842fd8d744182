import { createScratch } from '../host/scratch.ts';
import type { Filesystem } from '../images/filesystem.ts';
import type { BuildRequest } from '../schema/request.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { filesystemOf, scratchOf } from './on-host.ts';

const MIB = 1024 ** 2;

type Needs = Pick<Dependencies, 'host' | 'leases' | 'directories' | 'disks' | 'filesystems'>;

/** Disk and swap, empty. */
export function createImage(needs: Needs): HostActivities['createImage'] {
  return activity('image', async ({ signal }, lease, request) =>
    inTurn(lease.id, async () => {
      await scratchOf(needs, lease);
      const scratch = await createScratch(needs.directories.scratch, lease.id);
      const { diskMiB } = request.resources;
      const swapMiB = swapSize(request, filesystemOf(needs, request));
      await needs.disks.give(scratch, { diskMiB, swapMiB }, signal);
    }),
  );
}

/** The longest list that is read (extraction/letter.ts), MiB. */
const LIST_MIB = 64;
/** Up to which each file in the swap is filled up, bytes. */
const UNIT = 512;

/** Of the swap, MiB: where content of results follows in it, all that the limits allow must fit behind the list. */
export function swapSize(
  { resources, limits }: Pick<BuildRequest, 'resources' | 'limits'>,
  { content }: Pick<Filesystem, 'content'>,
): number {
  if (content === 'device') return resources.swapMiB;
  const fillers = Math.ceil((limits.artifactFiles * UNIT) / MIB);
  return Math.max(resources.swapMiB, LIST_MIB + limits.artifactsMiB + fillers + 1);
}
