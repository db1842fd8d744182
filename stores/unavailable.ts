import { SlipwayFailure } from '../schema/failures.ts';

/** What an error of the system says about a store on a filesystem, and what to do. */
const CAUSES: Record<string, { what: string; advice: string }> = {
  ENOSPC: { what: 'is full', advice: 'Free space (or inodes) on its filesystem.' },
  EDQUOT: { what: 'is full: the quota is used up', advice: 'Free space or raise the quota.' },
  ENOENT: { what: 'is not there', advice: 'Check that it is mounted; a new store needs an empty folder.' },
  ENOTDIR: { what: 'is no folder', advice: 'Name a folder.' },
  EACCES: { what: 'refuses access', advice: 'Give the user that runs slipway the right to its files.' },
  EPERM: { what: 'refuses access', advice: 'Give the user that runs slipway the right to its files.' },
  EROFS: { what: 'is mounted read-only', advice: 'Mount it writable; see the kernel log for why it is not.' },
  ESTALE: { what: 'went away', advice: 'Mount it again.' },
  EIO: { what: 'cannot be read or written', advice: 'See the kernel log: the disk may be failing.' },
};

/** For `catch`: an error of the system as StoreUnavailable, any other as it is. */
export function asStoreUnavailable(error: unknown, location: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  const cause = CAUSES[String(error.code)];
  const what = cause?.what ?? 'failed';
  return new SlipwayFailure('StoreUnavailable', `the store ${location} ${what}: ${error.message}`, {
    cause: error,
    ...(cause === undefined ? {} : { advice: cause.advice }),
  });
}
