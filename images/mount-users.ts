import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { deviceNumber } from '../host/device-number.ts';
import { allMounts, type Mount, processIds } from './mount-table.ts';

/** Numbers (`<major>:<minor>`) by which files of what is mounted from a device are known. */
export async function numbersOf(device: { device: string; number: string }): Promise<Set<string>> {
  const numbers = new Set([device.number]);
  for (const mount of await allMounts()) {
    if (mount.source !== device.device) continue;
    for (const number of await numbersOfMount(mount)) numbers.add(number);
  }
  return numbers;
}

/** That of the mount, and that of its files: with btrfs these are two, and neither is the device's. */
export async function numbersOfMount({ pid, point, number }: Mount): Promise<Set<string>> {
  const stats = await stat(`/proc/${pid}/root${point}`, { bigint: true }).catch(() => undefined);
  return new Set(stats === undefined ? [number] : [number, numberOf(stats.dev)]);
}

function numberOf(device: bigint): string {
  const { major, minor } = deviceNumber(device);
  return `${major}:${minor}`;
}

/**
 * Who keeps a filesystem from being unmounted or its device from being freed, a line each: mounts in any namespace, and
 * processes with a file open there, at work there, or run from there. Empty where nobody is to be seen.
 * @param numbers of the filesystem and its device
 * @param except a process and its mounts that are known
 */
export async function usersOfMount(numbers: ReadonlySet<string>, except?: number): Promise<string[]> {
  const users: string[] = [];
  for (const { pid, number, point } of await allMounts()) {
    if (pid === except || !numbers.has(number)) continue;
    users.push(`mounted on ${point} in the mount namespace of process ${await named(pid)}`);
  }
  for (const pid of await processIds()) {
    if (pid === except) continue;
    const how = await usesOf(pid, numbers);
    if (how !== undefined) users.push(`process ${await named(pid)}: ${how}`);
  }
  return users;
}

/** Processes and their files vanish while they are looked at. */
async function usesOf(pid: number, numbers: ReadonlySet<string>): Promise<string | undefined> {
  for (const [link, what] of [
    ['root', 'has its root folder there'],
    ['cwd', 'works in a folder there'],
    ['exe', 'was started from there'],
  ] as const) {
    if (await isThere(`/proc/${pid}/${link}`, numbers)) return what;
  }
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const path = `/proc/${pid}/fd/${fd}`;
    if (await isThere(path, numbers)) return `has ${await readlink(path).catch(() => 'a file')} open`;
  }
  return undefined;
}

async function isThere(link: string, numbers: ReadonlySet<string>): Promise<boolean> {
  // Most are pipes and sockets, and the link tells that without a look at a file that may hang.
  const target = await readlink(link).catch(() => '');
  if (!target.startsWith('/')) return false;
  const stats = await stat(link, { bigint: true }).catch(() => undefined);
  // The device itself counts as well as a file of what is on it.
  return stats !== undefined && numbers.has(numberOf(stats.isBlockDevice() ? stats.rdev : stats.dev));
}

async function named(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'gone by now');
  return `${pid} (${name.trimEnd()})`;
}
