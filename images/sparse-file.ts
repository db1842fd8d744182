import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { SlipwayFailure } from '../schema/failures.ts';

const MIB = 1024 * 1024;

/**
 * Makes a raw file of `sizeMiB` MiB that takes no room yet and reads as zeros: the disk or the swap of a guest. What
 * lies there already is replaced, so that a repeated step begins anew; a symlink is refused. Mode 0600: root alone.
 * @throws SlipwayFailure ScratchFull; HostUnfit where the filesystem has no files of that size
 */
export async function createSparseFile(path: string, sizeMiB: number): Promise<void> {
  const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  try {
    await using file = await open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    await file.chmod(0o600);
    await file.truncate(sizeMiB * MIB);
  } catch (error) {
    throw typed(error, path, sizeMiB);
  }
}

function typed(error: unknown, path: string, sizeMiB: number): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SlipwayFailure('ScratchFull', `no room for ${path}: free space there`, { cause: error });
  }
  if (code === 'EFBIG') {
    const message = `the filesystem of ${path} cannot hold a file of ${sizeMiB} MiB: put the scratch space on XFS`;
    return new SlipwayFailure('HostUnfit', message, { cause: error });
  }
  return error;
}
