import pLimit from 'p-limit';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Store, StoredBlob } from '../stores/store.ts';
import { type KnownResult, readInventory } from './inventory.ts';
import { deadLogs, type LiveLog } from './live-logs.ts';
import type { Builds, OpenBuilds } from './open-builds.ts';
import { checkTemporal } from './right-temporal.ts';
import { doomed, hasRule, type RetentionRules } from './rules.ts';
import { unreferencedBlobs } from './unreferenced-blobs.ts';

export interface GcOptions {
  store: Store;
  /** Absent: nobody is asked which builds are open. Only where none can be. */
  builds: Builds | undefined;
  rules: RetentionRules;
  /** Seconds: what was put or written to since then stays, and the results of builds that ended. At least an hour. */
  graceSeconds: number;
  /** Seconds that the live log of a run without a result stays; at least the grace. */
  liveLogSeconds: number;
  /** Deletes nothing. */
  dryRun: boolean;
}

/** What went, or would go. */
export interface Collected {
  dryRun: boolean;
  results: KnownResult[];
  logs: LiveLog[];
  blobs: StoredBlob[];
  kept: { results: number; blobs: number; bytes: number };
  /** Records that this version does not understand. */
  unreadable: string[];
  /** Undefined where nobody was asked. */
  openBuilds?: number;
}

/** The least grace, seconds: who uploads a source starts the build within it. */
export const LEAST_GRACE = 3600;
/** Deletions at a time. */
const PARALLEL = 8;

/**
 * Deletes the results that the rules let go, then the blobs that nothing refers to any more, and live logs of runs that
 * ended without a result. All is marked before anything is deleted. Records go before their blobs: killed in between it
 * leaves blobs that nobody misses, which the next run finds, and never a result without its files. Idempotent; several
 * at a time do no harm.
 *
 * Open builds are listed before the records, since one that publishes in between is then in either list or both; and
 * once more before the blobs go, with the results that came meanwhile.
 *
 * @throws SlipwayFailure InvalidRequest without a rule or with too short a grace; StoreUnavailable; HostUnfit where this
 *   Temporal is not the one of the builds; errors of the client where it cannot be reached
 */
export async function collectGarbage(options: GcOptions): Promise<Collected> {
  const { store, builds, rules, dryRun } = options;
  checkGcOptions(options);
  const now = Date.now();
  const before = await builds?.open();
  const inventory = await readInventory(store);
  if (builds !== undefined) await checkTemporal(builds, inventory.results, now);
  const cutoff = new Date(now - options.graceSeconds * 1000);
  const gone = doomed(inventory.results, rules, now).filter(({ endedAt }) => endedAt < cutoff.getTime());
  if (!dryRun) await each(gone, ({ record }) => store.deleteRecord(record));

  const after = await builds?.open();
  const known = new Set([...inventory.results, ...inventory.unreadable].map(({ record }) => record));
  const later = await readInventory(store, known);
  const open = [before, after].filter((each) => each !== undefined);
  const kept = [...inventory.results.filter((result) => !gone.includes(result)), ...later.results];
  const unreadable = [...inventory.unreadable, ...later.unreadable];

  const logsBefore = now - Math.max(options.graceSeconds, options.liveLogSeconds) * 1000;
  const logs = await deadLogs(store, runsOf(open), logsBefore);
  if (!dryRun) await each(logs, ({ stream }) => store.deleteLog(stream));

  const roots = [...kept, ...unreadable, ...open].map(({ references }) => references);
  const { unreferenced, ...blobs } = await unreferencedBlobs(store, roots, cutoff);
  const spared = dryRun ? [] : await deleteBlobs(store, unreferenced, cutoff);
  return {
    dryRun,
    results: gone,
    logs,
    blobs: unreferenced.filter((blob) => !spared.includes(blob)),
    kept: {
      results: kept.length + unreadable.length,
      blobs: blobs.kept + spared.length,
      bytes: blobs.keptBytes + spared.reduce((sum, { size }) => sum + size, 0),
    },
    unreadable: unreadable.map(({ record }) => record),
    ...(after === undefined ? {} : { openBuilds: after.runs.size }),
  };
}

/** @throws SlipwayFailure InvalidRequest without a rule or with too short a grace */
export function checkGcOptions({ rules, graceSeconds }: Pick<GcOptions, 'rules' | 'graceSeconds'>): void {
  if (!hasRule(rules)) {
    throw new SlipwayFailure('InvalidRequest', 'There is no rule which results may go.', {
      advice:
        'Say --older-than "90 d" or --keep 5, or write retention: {olderThan: 90 d} into the configuration.',
    });
  }
  if (graceSeconds >= LEAST_GRACE) return;
  throw new SlipwayFailure('InvalidRequest', `A grace of ${graceSeconds} s is too short: at least an hour.`, {
    advice: 'Within it somebody may have uploaded a source and not started the build yet: --grace "1 d".',
  });
}

function runsOf(open: readonly OpenBuilds[]): Set<string> {
  return new Set(open.flatMap(({ runs }) => [...runs]));
}

/** Returns those that were put again meanwhile. */
async function deleteBlobs(store: Store, blobs: readonly StoredBlob[], cutoff: Date): Promise<StoredBlob[]> {
  const spared: StoredBlob[] = [];
  await each(blobs, async (blob) => {
    if (!(await store.deleteBlob(blob.digest, cutoff))) spared.push(blob);
  });
  return spared;
}

async function each<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  const limit = pLimit({ concurrency: PARALLEL, rejectOnClear: true });
  await limit.map([...items], work);
}
