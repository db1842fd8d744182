import { statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import prettyBytes from 'pretty-bytes';
import { SlipwayFailure } from '../schema/failures.ts';
import { CommandFailed } from './run.ts';

export interface FreeSpace {
  bytes: number;
  /** Files that can still be made; Infinity where the filesystem has no such limit. */
  inodes: number;
}

/** What an unprivileged user could still write on the filesystem of an existing path. */
export async function freeSpace(path: string): Promise<FreeSpace> {
  return freeOf(await statfs(path));
}

/**
 * Refuses early what cannot fit. Reserves nothing: who runs out later all the same maps it with `asScratchFull`.
 * @throws SlipwayFailure ScratchFull
 */
export async function admit(path: string, neededBytes: number, neededInodes = 1): Promise<void> {
  const free = await freeSpace(path);
  if (free.bytes < neededBytes) {
    throw scratchFull(`${path} has ${size(free.bytes)} free, ${size(neededBytes)} are needed`);
  }
  if (free.inodes < neededInodes) {
    throw scratchFull(`${path} has room for ${free.inodes} more files, ${neededInodes} are needed`);
  }
}

/**
 * For `catch`: an error that means "the disk of the host is full", from the system or from a command, as ScratchFull
 * with what is free below `path`; any other error as it is.
 */
export function asScratchFull(error: unknown, path: string): unknown {
  if (!meansFull(error)) return error;
  const free = freeBelow(path);
  const state = free === undefined ? '' : ` (${size(free.bytes)} and ${free.inodes} files free now)`;
  return scratchFull(`no room left below ${path}${state}: ${(error as Error).message}`, error);
}

function meansFull(error: unknown): boolean {
  if (error instanceof CommandFailed) {
    return /No space left on device|Disk quota exceeded/.test(error.stderr + error.stdout);
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Only embellishes a message: a path that is gone by now must not hide the error itself. */
function freeBelow(path: string): FreeSpace | undefined {
  try {
    return freeOf(statfsSync(path));
  } catch {
    return undefined;
  }
}

function freeOf(fs: { bavail: number; bsize: number; files: number; ffree: number }): FreeSpace {
  return { bytes: fs.bavail * fs.bsize, inodes: fs.files === 0 ? Number.POSITIVE_INFINITY : fs.ffree };
}

function scratchFull(message: string, cause?: unknown): SlipwayFailure {
  return new SlipwayFailure('ScratchFull', message, cause === undefined ? {} : { cause });
}

function size(bytes: number): string {
  return `${prettyBytes(bytes, { binary: true })} (${bytes} bytes)`;
}
