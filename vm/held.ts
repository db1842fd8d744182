import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayFailure } from '../schema/failures.ts';
import { removeGroups } from './container/control-groups.ts';
import type { MonitorCommand } from './folder.ts';

/** Seconds in which the kernel lets go of what dead processes had: it unmounts a disk with all that is to be written. */
const PATIENCE = 60;

/**
 * Waits until the kernel has let go of what a dead monitor held, and removes what does not go by itself: verified in
 * sysfs and in the control group file systems.
 * @throws SlipwayFailure HostUnfit where something of it stays
 */
export async function letGo({ groups, files }: NonNullable<MonitorCommand['holds']>): Promise<void> {
  const over = performance.now() + PATIENCE * 1000;
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    const left = [...removeGroups(groups), ...loopDevicesOf(files)];
    if (left.length === 0) return;
    if (performance.now() > over) {
      throw new SlipwayFailure('HostUnfit', `${left.join(', ')} of a container that was ended stay behind`, {
        advice: 'The kernel still uses them: look at the disks of the host; a reboot frees them.',
      });
    }
    await sleep(pause);
  }
}

/** Loop devices, by name, that have one of the files behind them. */
export function loopDevicesOf(files: readonly string[]): string[] {
  const real = files.map((file) => gone(() => realpathSync(file)) ?? file);
  return readdirSync('/sys/block').filter((name) => {
    if (!name.startsWith('loop')) return false;
    const behind = gone(() => readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trimEnd());
    return behind !== undefined && real.includes(behind.replace(/ \(deleted\)$/, ''));
  });
}

function gone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
