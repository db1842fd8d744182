import { join } from 'node:path';
import { log } from '@temporalio/activity';
import type { Leases } from '../host/leases.ts';
import type { BuildRoots } from '../images/build-roots/build-roots.ts';
import { ROOTS } from '../images/build-roots/entries.ts';
import { createBuildRoots } from '../images/build-roots/kept-roots.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Configuration } from './configuration.ts';

const MIB = 1024 ** 2;

/** The kept build roots of this host, for activities: what is wrong with one goes to their log. */
export function hostBuildRoots(
  { directories, buildRoots: { size, leaveFree } }: Pick<Configuration, 'directories' | 'buildRoots'>,
  leases: Pick<Leases, 'check'>,
): BuildRoots {
  return createBuildRoots({
    directory: join(directories.cache, ROOTS),
    maxBytes: size * MIB,
    leastFreeBytes: leaveFree * MIB,
    leaseExists: async (id) => {
      try {
        await leases.check(id);
        return true;
      } catch (error) {
        // Damaged, of before a reboot or gone: nobody works with it any more.
        if (error instanceof SlipwayFailure) return false;
        throw error;
      }
    },
    warn: (message) => log.warn(message),
  });
}
