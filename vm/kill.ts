import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayFailure } from '../schema/failures.ts';
import { FILES } from './folder.ts';
import { holdersOf } from './lock.ts';

/** Seconds until a process that does not die is given up: it hangs in the kernel, most likely on a disk. */
const PATIENCE = 30;

/** Seconds that its parent has to end by itself once the supervisor is not seen any more. */
const PARENT_PATIENCE = 2;

/**
 * Ends whatever runs in the folder of a VM and returns when nothing of it is left: nobody has the lock file open any
 * more. No VM starts there after this.
 * @throws SlipwayFailure HostUnfit where a process does not die
 */
export async function killAll(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  // Before the look at who is there: a supervisor that is just coming up reads it after it has the lock.
  writeFileSync(join(folder, FILES.killed), '', { mode: 0o600 });
  const over = performance.now() + PATIENCE * 1000;
  let seen = performance.now();
  for (let pause = 5; ; pause = Math.min(pause * 2, 100)) {
    const holders = holdersOf(join(folder, FILES.lock));
    if (holders.length === 0) return;
    if (performance.now() > over) throw undying(holders.map(({ pid }) => pid));
    // The supervisor, not its parent: the parent then lives, and keeps the lock, until all of the namespace is gone. A
    // supervisor that dies closes its files before it waits for the others, so not seeing it says nothing yet.
    const inside = holders.filter((holder) => holder.inside);
    if (inside.length > 0) seen = performance.now();
    const isStuck = performance.now() - seen > PARENT_PATIENCE * 1000;
    for (const { pid } of isStuck ? holders : inside) end(pid);
    await sleep(pause);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function undying(pids: readonly number[]): SlipwayFailure {
  return new SlipwayFailure(
    'HostUnfit',
    `processes ${pids.join(', ')} of a VM do not die within ${PATIENCE} s`,
    {
      advice: 'They hang in the kernel: look at the disks of the host; a reboot ends them.',
    },
  );
}
