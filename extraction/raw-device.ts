import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { deviceNumber } from '../host/device-number.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** A disk or swap that a guest wrote, read as raw bytes: no format is ever guessed from its content. */
export interface RawDevice extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  /** Its descriptor in this process, for threads of it, open until this is disposed of. */
  readonly fd: number;
  /** Fills `into` from byte `position` on. @throws Error where the device ends before */
  read(into: Uint8Array, position: number): Promise<void>;
}

/**
 * Opens a regular file or block device for reading; a symlink is not followed.
 * @throws SlipwayFailure HostUnfit where it is neither; the system's error where it cannot be opened
 */
export async function openRaw(path: string): Promise<RawDevice> {
  // O_NONBLOCK: opening a FIFO would wait for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags);
  try {
    return device(file, path, await sizeOf(file, path));
  } catch (error) {
    await file.close();
    throw error;
  }
}

function device(file: FileHandle, path: string, size: number): RawDevice {
  return {
    size,
    fd: file.fd,
    async read(into, position) {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await file.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) throw new Error(`${path} ended at byte ${position + done} while it was read`);
        done += bytesRead;
      }
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

async function sizeOf(file: FileHandle, path: string): Promise<number> {
  const stat = await file.stat({ bigint: true });
  if (stat.isFile()) return Number(stat.size);
  if (!stat.isBlockDevice()) {
    throw new SlipwayFailure('HostUnfit', `${path} is neither a regular file nor a block device`);
  }
  const { major, minor } = deviceNumber(stat.rdev);
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'latin1')) * 512;
}
