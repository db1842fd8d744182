import { join } from 'node:path';
import { checkedLeaseId } from '../../host/lease-record.ts';
import { freeSpace } from '../../host/scratch.ts';
import type { BuildRoots, Taken } from './build-roots.ts';
import { changing, checkedKey, keptRoot, keptRoots, sweep } from './entries.ts';
import { KeepRoot } from './keep-root.ts';
import { Makers } from './makers.ts';
import { evict, type RoomLimits, roomFor, sameFilesystem } from './room.ts';
import { copyKept } from './take-root.ts';

export interface BuildRootsOptions extends RoomLimits {
  /** Folder of the kept roots, for root alone; made where it is missing. All processes of a host share it. */
  directory: string;
  /** Whether a lease of this host is still one that somebody works with; of a rebooted host it is not. */
  leaseExists(id: string): Promise<boolean>;
  /** Told of what an operator should know: a kept root that is damaged. */
  warn(message: string): void;
}

/** How often is looked again where a root comes and goes while it is looked for. */
const TRIES = 5;

/** The kept build roots of a host, in a folder of it. Nothing is touched before the first use. */
export function createBuildRoots(options: BuildRootsOptions): BuildRoots {
  const { directory, maxBytes, leaseExists } = options;
  const makers = new Makers(directory, leaseExists);
  const keeper = new KeepRoot(options, makers);
  let swept: Promise<void> | undefined;

  /** Once in a process: what killed ones have left goes, and what is more than the limit that may be another now. */
  const ready = () => {
    swept ??= changing(directory, async (changes) => {
      await sweep(directory, changes);
      await makers.sweep();
      await roomFor(directory, { bytes: 0 }, { maxBytes, leastFreeBytes: 0 }, changes);
    }).catch((error: unknown) => {
      swept = undefined;
      throw error;
    });
    return swept;
  };

  async function take(key: string, lease: string, signal: AbortSignal): Promise<Taken | undefined> {
    const { directory } = options;
    const known = await makers.of(key);
    // Asked often by those who wait: without the lock.
    if (known.is === 'making' && known.lease !== lease) return { outcome: 'wait', madeBy: known.lease };
    return changing(
      directory,
      async (): Promise<Taken | undefined> => {
        if ((await keptRoot(join(directory, key))) !== undefined) return undefined;
        const maker = await makers.of(key);
        if (maker.is === 'refused') return { outcome: 'make', keep: false };
        if (maker.is === 'making' && maker.lease !== lease) return { outcome: 'wait', madeBy: maker.lease };
        await makers.write(key, lease);
        return { outcome: 'make', keep: true };
      },
      signal,
    );
  }

  return {
    async take(key, lease, disk, context) {
      checkedKey(key);
      checkedLeaseId(lease);
      await ready();
      for (let tries = 0; tries < TRIES && maxBytes > 0; tries++) {
        const copied = await copyKept({ ...options, key, disk }, context);
        if (copied !== undefined) return { outcome: 'copied', ...copied };
        const answer = await take(key, lease, context.signal);
        if (answer !== undefined) return answer;
      }
      return { outcome: 'make', keep: false };
    },
    async keep(key, lease, disk, about, context) {
      checkedKey(key);
      checkedLeaseId(lease);
      await ready();
      return keeper.keep({ key, lease, disk, about }, context);
    },
    async giveUp(lease) {
      if ((await makers.madeBy(lease)).length === 0) return;
      await changing(directory, async () => {
        for (const key of await makers.madeBy(lease)) await makers.remove(key);
      });
    },
    async makeRoom(folder, bytes) {
      const { bytes: free } = await freeSpace(folder);
      if (free >= bytes || !(await sameFilesystem(folder, directory))) return 0;
      return changing(directory, async (changes) => {
        const roots = await keptRoots(directory);
        const held = roots.reduce((sum, root) => sum + root.bytes, 0);
        const needed = bytes - (await freeSpace(folder)).bytes;
        return needed > held ? 0 : evict(roots, needed, changes);
      });
    },
    list: () => keptRoots(directory),
  };
}
