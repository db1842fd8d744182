import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withFileLock } from '../host/file-lock.ts';
import { readLeases } from '../host/lease-record.ts';
import { ROOTS } from '../images/build-roots/entries.ts';
import { removeUnused } from '../images/build-roots/room.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { LEAST_GRACE } from './gc.ts';
import { type CacheEntry, cacheEntries, lastUse } from './host-entries.ts';
import { type InputsOf, LeaseUse, type LeftEntry } from './lease-use.ts';

/** What may go of a host's caches. */
export interface CacheRules {
  /** Seconds since it was last used. */
  olderThanSeconds?: number | undefined;
  /** Bytes of all caches together; what was used longest ago goes first. */
  maxBytes?: number | undefined;
}

export interface HostGcOptions {
  directories: { state: string; cache: string };
  rules: CacheRules;
  inputsOf: InputsOf;
  /** Deletes nothing. */
  dryRun: boolean;
}

export interface HostCollected {
  dryRun: boolean;
  removed: CacheEntry[];
  kept: { entries: number; bytes: number };
  left: LeftEntry[];
}

/** A partial download that nobody has added to for so long is not gone on with. */
const PARTIAL_SECONDS = 86_400;
const LOCK_SECONDS = 60;
const PROBE_SECONDS = 1;

/**
 * Deletes what of this host's caches was not used for long, or is too much. Everything in them can be had again. What a
 * build on this host uses stays: inputs are deleted only while no build can take a place, and never those of a build that
 * has one; unpacked packages only while none has. Nothing goes that was used within the last hour.
 *
 * @throws SlipwayFailure InvalidRequest without a rule; HostFull where another process claims for long
 */
export async function collectCaches(options: HostGcOptions): Promise<HostCollected> {
  const { directories, rules, dryRun } = options;
  if (rules.olderThanSeconds === undefined && rules.maxBytes === undefined) {
    throw new SlipwayFailure('InvalidRequest', 'There is no rule what may go of the caches of this host.', {
      advice:
        'Say --older-than "30 d" or --max-size "50 GiB", or write retention: {cache: {olderThan: 30 d}} into the configuration.',
    });
  }
  const leases = new LeaseUse(join(directories.state, 'leases'), options.inputsOf);
  const entries = await cacheEntries(directories.cache);
  const left: LeftEntry[] = [];
  const chosen = chooseEntries(await leases.withoutUsed(entries, left), entries, rules, Date.now());
  const removed: CacheEntry[] = [];
  const of = (...kinds: CacheEntry['kind'][]) => chosen.filter(({ kind }) => kinds.includes(kind));
  if (dryRun) removed.push(...chosen);
  else {
    await leases.removeInputs(of('input', 'partial'), removed, left);
    await removeUnpacked(directories, of('unpacked'), removed, left);
    await removeLists(of('lists'), removed, left);
    await removeRoots(directories, of('root'), removed, left);
  }
  const bytes = entries
    .filter((entry) => !removed.includes(entry))
    .reduce((sum, entry) => sum + entry.bytes, 0);
  return { dryRun, removed, kept: { entries: entries.length - removed.length, bytes }, left };
}

/** By age, then by size: what was used longest ago first. */
export function chooseEntries(
  candidates: readonly CacheEntry[],
  all: readonly CacheEntry[],
  { olderThanSeconds = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY }: CacheRules,
  now: number,
): CacheEntry[] {
  const unused = ({ usedAt }: CacheEntry) => (now - usedAt) / 1000;
  const free = candidates.filter((entry) => unused(entry) > LEAST_GRACE);
  const isOld = (entry: CacheEntry) =>
    unused(entry) >
    (entry.kind === 'partial' ? Math.min(PARTIAL_SECONDS, olderThanSeconds) : olderThanSeconds);
  const old = free.filter(isOld);
  let total = [...all].filter((entry) => !old.includes(entry)).reduce((sum, { bytes }) => sum + bytes, 0);
  const rest = free.filter((entry) => !old.includes(entry)).sort((a, b) => a.usedAt - b.usedAt);
  const tooMuch = rest.filter(({ bytes }) => {
    if (total <= maxBytes) return false;
    total -= bytes;
    return true;
  });
  return [...old, ...tooMuch];
}

/** A build or a probe that has found such a folder reads in it without any lock: so only where there is none. */
async function removeUnpacked(
  { state }: HostGcOptions['directories'],
  entries: readonly CacheEntry[],
  removed: CacheEntry[],
  left: LeftEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  const leaseFolder = join(state, 'leases');
  const aside: string[] = [];
  const move = async () => {
    const { leases, corrupt } = await readLeases(leaseFolder);
    const hasBuild = leases.length + corrupt.length > 0;
    for (const entry of entries) {
      if (hasBuild) {
        left.push({ entry, reason: 'a build runs on this host' });
        continue;
      }
      // As what a killed process was unpacking: deleted by the next that unpacks, where this one is killed too.
      const target = join(dirname(entry.path), `unpacking-gc-${basename(entry.path)}`);
      await rm(target, { recursive: true, force: true });
      await rename(entry.path, target);
      aside.push(target);
      removed.push(entry);
    }
  };
  const claimsWait = () => withFileLock(join(leaseFolder, '.lock'), LOCK_SECONDS, move);
  await withFileLock(join(state, 'probes.lock'), PROBE_SECONDS, claimsWait).catch((error: unknown) => {
    if (!isBusy(error)) throw error;
    for (const entry of entries) left.push({ entry, reason: 'the VM types of this host are being probed' });
  });
  for (const path of aside) await rm(path, { recursive: true, force: true });
}

async function removeLists(
  entries: readonly CacheEntry[],
  removed: CacheEntry[],
  left: LeftEntry[],
): Promise<void> {
  for (const entry of entries) {
    try {
      await withFileLock(join(entry.path, 'lock'), 0, async () => {
        if ((await lastUse(entry)) > entry.usedAt) return;
        await rm(entry.path, { recursive: true, force: true });
        removed.push(entry);
      });
    } catch (error) {
      if (!isBusy(error)) throw error;
      left.push({ entry, reason: 'a build is being resolved with it' });
    }
  }
}

/** No build needs to wait: who takes one just now goes on, and who comes later makes it anew. */
async function removeRoots(
  { cache }: HostGcOptions['directories'],
  entries: readonly CacheEntry[],
  removed: CacheEntry[],
  left: LeftEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  try {
    const paths = new Set(await removeUnused(join(cache, ROOTS), entries));
    removed.push(...entries.filter(({ path }) => paths.has(path)));
  } catch (error) {
    if (!isBusy(error)) throw error;
    for (const entry of entries) left.push({ entry, reason: 'another process changes the kept build roots' });
  }
}

/** Whether another process held a lock for too long. */
function isBusy(error: unknown): boolean {
  return error instanceof SlipwayFailure && error.type === 'HostFull';
}
