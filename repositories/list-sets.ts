import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { withFileLock } from '../host/file-lock.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** Sets of repositories whose lists stay on a host; a set for all of Debian takes some 200 MB. */
const MOST = 20;

/** One that was used within this time stays, milliseconds. */
const UNUSED_MS = 60 * 60 * 1000;

/**
 * Of more sets than are kept, deletes those that were used longest ago. For when a set is added; `slipway gc --host` goes
 * by age and size instead.
 */
export async function sweepSets(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{16}$/.test(name));
  if (names.length <= MOST) return;
  const sets = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      // Written anew by each update (createAptRoot).
      return { path, usedAt: (await stat(join(path, 'status')).catch(ignoreMissing))?.mtimeMs };
    }),
  );
  // One without it is only just being made.
  const used = sets.flatMap(({ path, usedAt }) => (usedAt === undefined ? [] : [{ path, usedAt }]));
  const free = used
    .sort((a, b) => b.usedAt - a.usedAt)
    .slice(MOST)
    .filter(({ usedAt }) => Date.now() - usedAt > UNUSED_MS);
  for (const { path } of free) await remove(path);
}

/** Unless somebody brings it up to date just now. */
async function remove(path: string): Promise<void> {
  try {
    await withFileLock(join(path, 'lock'), 0, () => rm(path, { recursive: true, force: true }));
  } catch (error) {
    if (!(error instanceof SlipwayFailure && error.type === 'HostFull')) throw error;
  }
}
