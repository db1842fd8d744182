import { stat, utimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ignoreMissing } from '../host/atomic-file.ts';
import { digestOf } from './partial-file.ts';

/** A file is hashed again so long after it last was, seconds: what a disk loses by itself changes no time stamp. */
const REMEMBER_SECONDS = 24 * 3600;

/** The longest tick of a kernel's clock for time stamps, milliseconds (100 Hz), with room to spare. */
const TICK_MS = 12;

/** How old the time of last use may be, milliseconds: each change of it is a change of the file's time stamps. */
const USE_MS = 60_000;

interface Known {
  stamp: string;
  verifiedAt: number;
}

/**
 * Files by their digests which this process has read whole and found right, so that they need not be hashed for each
 * build: as long as nothing about them changed that the kernel notes (inode, size, times of modification and change: no
 * program can set the last one), for a day. In memory alone: what was written last before a host lost its power is read
 * again by whoever comes then (docs/adr/0020).
 */
export class VerifiedFiles {
  readonly #known = new Map<string, Known>();
  #settledAt = 0;

  /** Whether the file is there with this size and digest, by reading it where that is not known. Counts as a use. */
  async has(
    path: string,
    { size, sha256 }: { size: number; sha256: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    const before = await stampOf(path);
    const known = this.#known.get(path);
    this.#known.delete(path);
    if (before?.size !== size) return false;
    const isRemembered =
      known?.stamp === before.stamp && Date.now() - known.verifiedAt < REMEMBER_SECONDS * 1000;
    if (!isRemembered) {
      if ((await digestOf(path, signal)) !== sha256) return false;
      // Changed while it was read: whether before or after its place was read, nobody knows.
      if ((await stampOf(path))?.stamp !== before.stamp) return false;
    }
    const now = Date.now();
    const verifiedAt = isRemembered ? known.verifiedAt : now;
    if (now - before.usedAt <= USE_MS) this.#remember(path, before, verifiedAt);
    else await this.#touch(path, verifiedAt);
    return true;
  }

  /** A file that was just put there, hashed as it was written. */
  async add(path: string): Promise<void> {
    const stamp = await stampOf(path);
    if (stamp !== undefined) this.#remember(path, stamp, Date.now());
  }

  /** Waits until any later change gets other time stamps than those that are remembered: some milliseconds. */
  async settled(): Promise<void> {
    const left = this.#settledAt - Date.now();
    if (left > 0) await sleep(left);
  }

  /** By it retention tells what is still in use (retention/host-entries.ts). Gone again: who reads it says so. */
  async #touch(path: string, verifiedAt: number): Promise<void> {
    const now = new Date();
    await utimes(path, now, now).catch(ignoreMissing);
    const stamp = await stampOf(path);
    if (stamp !== undefined) this.#remember(path, stamp, verifiedAt);
  }

  #remember(path: string, { stamp, changedAt }: Stamp, verifiedAt: number): void {
    this.#known.set(path, { stamp, verifiedAt });
    // A clock that was set back makes nobody wait for long.
    if (changedAt <= Date.now()) this.#settledAt = Math.max(this.#settledAt, changedAt + TICK_MS);
  }
}

interface Stamp {
  stamp: string;
  size: number;
  /** Milliseconds since 1970. */
  usedAt: number;
  changedAt: number;
}

async function stampOf(path: string): Promise<Stamp | undefined> {
  const found = await stat(path, { bigint: true }).catch(ignoreMissing);
  if (found === undefined || !found.isFile()) return undefined;
  return {
    stamp: [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' '),
    size: Number(found.size),
    usedAt: Number(found.mtimeMs),
    changedAt: Number(found.ctimeMs),
  };
}
