import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ignoreMissing } from '../host/atomic-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { holdersOf } from '../vm/lock.ts';
import { blockDevice } from './block-device.ts';
import { refuseUsed } from './device-users.ts';
import { detach, type LoopDevice, loopDevicesBelow } from './loop-devices.ts';
import { mountsOf } from './mount-table.ts';
import { numbersOf, usersOfMount } from './mount-users.ts';

/** Until a process that does not die is given up: it hangs in the kernel, most likely on a disk. */
const DEATH_MILLISECONDS = 30_000;
/** Until a loop device that is not detached is. */
const DETACH_MILLISECONDS = 10_000;
/** Until one that the kernel has not detached by itself is detached by hand: it needs 0.2 s. */
const BY_ITSELF_MILLISECONDS = 2000;

/** File in a folder that whoever keeps a disk of it mounted holds locked. */
export function mountLock(folder: string): string {
  return join(folder, 'mount.lock');
}

/**
 * Ends every mount of a disk that was made from a scratch folder, whoever made it: kills the process that holds it, then
 * looks that no loop device has a file of the folder any more (sysfs) and that a block device is free again. Never a lazy
 * unmount, which would only hide it. Idempotent.
 * @param patience milliseconds for loop devices that stay
 * @throws SlipwayFailure HostUnfit that says what stays and who uses it
 */
export async function undoMounts(folder: string, patience = DETACH_MILLISECONDS): Promise<void> {
  const real = await realpath(folder).catch(ignoreMissing);
  if (real === undefined) return;
  const lock = mountLock(real);
  // Before it dies: the names of what it holds go with it.
  const devices = await heldDevices(lock, real);
  const numbers = await numbersOfAll(await loopDevicesBelow(real));
  await killHolders(lock);
  await loopsGone(real, numbers, patience);
  for (const device of devices) await refuseUsed(await blockDevice(device));
}

/** Block devices that are mounted below a folder by the holders of its lock; loop devices are found without them. */
async function heldDevices(lock: string, folder: string): Promise<Set<string>> {
  const devices = new Set<string>();
  for (const { pid } of holdersOf(lock)) {
    for (const { point, source } of await mountsOf(pid)) {
      const ours = point.startsWith(`${folder}/`) && source.startsWith('/dev/');
      if (ours && !source.startsWith('/dev/loop')) devices.add(source);
    }
  }
  return devices;
}

async function numbersOfAll(loops: readonly LoopDevice[]): Promise<Set<string>> {
  const all = new Set<string>();
  for (const loop of loops) for (const number of await numbersOf(loop)) all.add(number);
  return all;
}

async function killHolders(lock: string): Promise<void> {
  const over = performance.now() + DEATH_MILLISECONDS;
  for (let pause = 5; ; pause = Math.min(pause * 2, 100)) {
    const pids = holdersOf(lock).map(({ pid }) => pid);
    if (pids.length === 0) return;
    if (performance.now() > over) {
      throw new SlipwayFailure('HostUnfit', `processes ${pids.join(', ')} of a mount do not die`, {
        advice: 'They hang in the kernel: look at the disks of the host; a reboot ends them.',
      });
    }
    for (const pid of pids) end(pid);
    await sleep(pause);
  }
}

async function loopsGone(folder: string, numbers: ReadonlySet<string>, patience: number): Promise<void> {
  const begun = performance.now();
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    const loops = await loopDevicesBelow(folder);
    if (loops.length === 0) return;
    const waited = performance.now() - begun;
    if (waited > Math.min(BY_ITSELF_MILLISECONDS, patience / 2)) for (const loop of loops) await detach(loop);
    if (waited > patience) throw await stillThere(loops, numbers);
    await sleep(pause);
  }
}

async function stillThere(
  loops: readonly LoopDevice[],
  numbers: ReadonlySet<string>,
): Promise<SlipwayFailure> {
  const now = new Set([...numbers, ...(await numbersOfAll(loops))]);
  const users = await usersOfMount(now);
  const names = loops.map(({ device, file }) => `${device} (${file})`).join(', ');
  const by = users.length === 0 ? 'nobody is to be seen that uses it' : users.join('; ');
  return new SlipwayFailure('HostUnfit', `loop device ${names} cannot be detached: ${by}`, {
    advice: 'End what uses it: it goes by itself then.',
    items: users,
  });
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
