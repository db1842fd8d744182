import { z } from 'zod';
import { CorruptFile, readJson, writeFileAtomic } from '../host/atomic-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { problems } from '../schema/problems.ts';
import type { RepositoryFolder } from './repository-folder.ts';

/** A text that stands in one field of a Release file. */
const OneLine = z
  .string()
  .regex(/^[^\u0000-\u001f\u007f]{1,200}$/, 'must be one line of at most 200 characters');

/** What stays the same from one publish to the next, as it lies in the folder. */
export const RepositoryMarker = z.strictObject({
  version: z.literal(1),
  origin: OneLine,
  label: OneLine,
  /** Fingerprint of the key that signs all suites; null: none does. */
  key: z.string().nullable(),
  /** How long a Release file is valid; absent: for ever. */
  validSeconds: z.int().min(1).optional(),
});
export type RepositoryMarker = z.infer<typeof RepositoryMarker>;

/** Undefined in a new repository. @throws SlipwayFailure InvalidRequest where it is damaged or of another version */
export async function readMarker(folder: RepositoryFolder): Promise<RepositoryMarker | undefined> {
  return readJson(folder.marker, RepositoryMarker).catch((error: unknown) => {
    if (!(error instanceof CorruptFile)) throw error;
    throw new SlipwayFailure('InvalidRequest', error.message, {
      advice: 'Use the version of slipway that made this repository, or another folder.',
      cause: error,
    });
  });
}

export async function writeMarker(folder: RepositoryFolder, marker: RepositoryMarker): Promise<void> {
  await writeFileAtomic(folder.marker, `${JSON.stringify(marker, null, 2)}\n`);
}

/** What a publish may change. */
export interface MarkerWishes {
  origin?: string | undefined;
  label?: string | undefined;
  validSeconds?: number | undefined;
  replaceKey?: boolean;
}

/**
 * The marker that a publish leaves.
 * @throws SlipwayFailure InvalidRequest where another key would sign than before and that was not asked
 *   for, or where the words do not fit into a Release file
 */
export function nextMarker(
  before: RepositoryMarker | undefined,
  wanted: MarkerWishes,
  fingerprint: string | null,
): RepositoryMarker {
  const { origin, label, validSeconds, replaceKey = false } = wanted;
  if (before !== undefined && before.key !== fingerprint && !replaceKey) {
    const [was, is] = [before.key, fingerprint].map((each) =>
      each === null ? 'not signed' : `signed by ${each}`,
    );
    throw new SlipwayFailure('InvalidRequest', `the repository is ${was}; now it would be ${is}`, {
      advice: 'Name the same key as before, or say --replace-key: all suites are then signed anew.',
    });
  }
  const valid = validSeconds ?? before?.validSeconds;
  const marker = RepositoryMarker.safeParse({
    version: 1,
    origin: origin ?? before?.origin ?? 'slipway',
    label: label ?? before?.label ?? origin ?? 'slipway',
    key: fingerprint,
    ...(valid === undefined ? {} : { validSeconds: valid }),
  });
  if (marker.success) return marker.data;
  throw new SlipwayFailure('InvalidRequest', 'the Release file cannot say this', {
    items: problems(marker.error, () => []),
    advice: 'Give other words for --origin, --label and --valid-for.',
  });
}
