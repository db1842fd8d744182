import { mkdir, rm } from 'node:fs/promises';
import { extractArtifacts as extract } from '../extraction/extract.ts';
import type { WrittenFiles } from '../extraction/written-files.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Artifact } from '../schema/result.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { scratchOf } from './on-host.ts';

const MIB = 1024 ** 2;

/** Takes the results out of the raw disk; anew where an attempt was cut short. `written` is told of what was written. */
export function extractArtifacts(
  needs: Pick<Dependencies, 'leases' | 'directories' | 'disks'>,
  written: WrittenFiles,
): HostActivities['extractArtifacts'] {
  return activity('extract', async (context, lease, request, nonce) =>
    inTurn(lease.id, async () => {
      context.signal.throwIfAborted();
      const scratch = await scratchOf(needs, lease);
      const { artifacts: into } = scratch;
      const { disk, swap } = await needs.disks.find(scratch);
      await rm(into, { recursive: true, force: true });
      await mkdir(into, { mode: 0o700 });
      const limits = { bytes: request.limits.artifactsMiB * MIB, files: request.limits.artifactFiles };
      const boot = { phase: 'build', nonce } as const;
      return fitting(await extract({ disk, swap, into, ...boot, limits, written, ...context }));
    }),
  );
}

/** The list travels through Temporal, which takes 2 MiB at once, and the result has more than the list. */
const LIST_BYTES = 1_500_000;

/** @throws SlipwayFailure ArtifactsRejected where there are so many or so long names that no result could carry them */
export function fitting(artifacts: Artifact[]): Artifact[] {
  const bytes = Buffer.byteLength(JSON.stringify(artifacts));
  if (bytes <= LIST_BYTES) return artifacts;
  throw new SlipwayFailure(
    'ArtifactsRejected',
    `the list of ${artifacts.length} artifacts has ${bytes} bytes, more than ${LIST_BYTES}`,
    { advice: 'Have the build pack its results into fewer files, or give them shorter names.' },
  );
}
