import { mkdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { withFileLock } from '../host/file-lock.ts';
import { type AllLeases, type LeaseRecord, readLeases } from '../host/lease-record.ts';
import type { Digest } from '../schema/digest.ts';
import { type CacheEntry, lastUse } from './host-entries.ts';

/** What would have gone, and why it did not. */
export interface LeftEntry {
  entry: CacheEntry;
  reason: string;
}

/** The inputs of builds that have a place on this host. @throws where it cannot be told */
export type InputsOf = (leases: readonly LeaseRecord[]) => Promise<Iterable<Digest>>;

/** Deleted while no build can begin here: a claim waits five seconds for its turn. */
const BATCH = 500;
const LOCK_SECONDS = 60;

/** Which inputs the builds on this host use, asked once for each lease. */
export class LeaseUse {
  readonly #directory: string;
  readonly #inputsOf: InputsOf;
  readonly #asked = new Set<string>();
  readonly #used = new Set<Digest>();
  /** Why it cannot be told. */
  #unknown: string | undefined;

  constructor(directory: string, inputsOf: InputsOf) {
    this.#directory = directory;
    this.#inputsOf = inputsOf;
  }

  /** All but the inputs in use. */
  async withoutUsed(entries: readonly CacheEntry[], left: LeftEntry[]): Promise<CacheEntry[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#ask(await readLeases(this.#directory));
    const reason = this.#unknown;
    if (reason === undefined) {
      return entries.filter(({ digest }) => digest === undefined || !this.#used.has(digest));
    }
    for (const entry of entries) if (entry.kind === 'input') left.push({ entry, reason });
    return entries.filter(({ kind }) => kind !== 'input');
  }

  async removeInputs(entries: readonly CacheEntry[], removed: CacheEntry[], left: LeftEntry[]) {
    for (let rest = [...entries]; rest.length > 0; ) {
      const done = await withFileLock(join(this.#directory, '.lock'), LOCK_SECONDS, async () => {
        const leases = await readLeases(this.#directory);
        if (!this.#knowsAll(leases)) return leases;
        for (const entry of rest.slice(0, BATCH)) {
          if (await removeUnlessUsed(entry)) removed.push(entry);
        }
        return undefined;
      });
      if (done === undefined) {
        rest = rest.slice(BATCH);
      } else {
        // A build has come since: its inputs are asked for without holding up others.
        await this.#ask(done);
        rest = await this.withoutUsed(rest, left);
      }
    }
  }

  #knowsAll({ leases, corrupt }: AllLeases): boolean {
    return corrupt.length === 0 && leases.every(({ id }) => this.#asked.has(id));
  }

  async #ask({ leases, corrupt }: AllLeases): Promise<void> {
    const [damaged] = corrupt;
    if (damaged !== undefined) {
      this.#unknown = `${damaged.path} is damaged: nobody knows which build it stands for`;
      return;
    }
    const fresh = leases.filter(({ id }) => !this.#asked.has(id));
    try {
      if (fresh.length > 0) for (const digest of await this.#inputsOf(fresh)) this.#used.add(digest);
      for (const { id } of fresh) this.#asked.add(id);
    } catch (error) {
      this.#unknown = `a build runs here, and which inputs it uses cannot be told: ${(error as Error).message}`;
    }
  }
}

async function removeUnlessUsed(entry: CacheEntry): Promise<boolean> {
  if ((await lastUse(entry)) > entry.usedAt) return false;
  await unlink(entry.path).catch(ignoreMissing);
  return true;
}
