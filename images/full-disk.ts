import { CommandFailed } from '../host/run.ts';
import { freeSpace } from '../host/scratch.ts';
import { asScratchFull } from '../host/scratch-full.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Filesystem } from './filesystem.ts';
import { lookAtDisk } from './raw-disk.ts';

const MIB = 1024 * 1024;

/** With less than that left the host is full, whatever the error calls it. */
const HOST_FULL_BYTES = 8 * MIB;

/**
 * What "no room left" means while a mounted disk is filled: that of the guest is full, unless the host's own is. On a
 * full host a mounted file gives I/O errors, not lack of room.
 */
export async function asDiskFull(
  error: unknown,
  { filesystem, disk }: { filesystem: Filesystem; disk: string },
  scratch: string,
): Promise<unknown> {
  const full = isFull(error, scratch);
  if (!full && !isBroken(error)) return error;
  const { bytes: free, inodes } = await freeSpace(scratch);
  if (free < HOST_FULL_BYTES || inodes < 1) {
    const message = `no room left below ${scratch} for what the disk of the guest holds`;
    return new SlipwayFailure('ScratchFull', message, { cause: error });
  }
  if (!full) return error;
  const { bytes } = await lookAtDisk(disk);
  const message = `the build root does not fit on a disk of ${Math.floor(bytes / MIB)} MiB with ${filesystem.name}`;
  return new SlipwayFailure('DiskFull', message, {
    advice: `Raise resources.diskMiB above ${Math.floor(bytes / MIB)}, and by what the build itself needs.`,
    cause: error,
  });
}

function isFull(error: unknown, scratch: string): boolean {
  const typed = asScratchFull(error, scratch);
  if (typed instanceof SlipwayFailure && typed.type === 'ScratchFull') return true;
  return /No space left on device|Disk quota exceeded/.test(saidBy(error));
}

function isBroken(error: unknown): boolean {
  return /Input\/output error|Read-only file system|EIO|EROFS/.test(saidBy(error));
}

function saidBy(error: unknown): string {
  return error instanceof CommandFailed ? error.stderr : error instanceof Error ? error.message : '';
}
