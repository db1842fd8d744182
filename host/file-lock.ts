import { open } from 'node:fs/promises';
import { SlipwayFailure } from '../schema/failures.ts';
import { CommandFailed, run } from './run.ts';

/**
 * Runs `work` while no other process of this host runs any under the same lock file, which is made where it is missing
 * and never removed.
 *
 * The lock is the kernel's flock(2). Node cannot call it, flock(1) can, and a lock belongs to the open file and not to
 * the process: flock(1) locks the file that it was given as standard input and exits, and the lock stays with our
 * descriptor until we close it or die, be it by SIGKILL. So nothing is ever stale, and there is no guessing from pids
 * who is alive. Descriptors are close-on-exec: no child, least of all a VM's supervisor, takes the lock along.
 *
 * @throws SlipwayFailure HostFull where another process holds the lock longer than `timeoutSeconds`; HostUnfit where
 * flock(1) is missing; the signal's reason where it was aborted while it waited
 */
export async function withFileLock<Result>(
  path: string,
  timeoutSeconds: number,
  work: () => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const handle = await open(path, 'a', 0o600);
  try {
    await lock(path, handle.fd, timeoutSeconds, signal);
    return await work();
  } finally {
    await handle.close();
  }
}

async function lock(
  path: string,
  fd: number,
  timeoutSeconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await run(
      ['flock', '--exclusive', '--timeout', String(timeoutSeconds), '--conflict-exit-code', '75', '0'],
      {
        stdin: fd,
        ...(signal === undefined ? {} : { signal }),
        timeout: (timeoutSeconds + 5) * 1000,
      },
    );
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    if (error.exitCode === 75) {
      throw new SlipwayFailure(
        'HostFull',
        `another process holds ${path} for more than ${timeoutSeconds} s`,
        {
          advice: `See who: fuser ${path}. A stopped worker must go on or be killed.`,
        },
      );
    }
    throw new SlipwayFailure('HostUnfit', `cannot lock ${path}: ${error.message}`, { cause: error });
  }
}
