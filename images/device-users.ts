import { constants } from 'node:fs';
import { open, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { deviceNumber } from '../host/device-number.ts';
import { type BlockDevice, unfit } from './block-device.ts';

/** Whoever only looks at a device after a change (udev) is gone by then. */
const PATIENCE_MILLISECONDS = 10_000;

/**
 * Refuses a device that anybody on the host uses: mounted (in any namespace), swap, part of a volume group or RAID, held
 * open. Waits for who only looks.
 * @throws SlipwayFailure HostUnfit that says by whom
 */
export async function refuseUsed(device: BlockDevice, patience = PATIENCE_MILLISECONDS): Promise<void> {
  const over = performance.now() + patience;
  for (;;) {
    const users = await usersOf(device);
    if (users.length === 0) return;
    if (performance.now() > over) {
      throw unfit(`${device.name} is in use: ${users.join('; ')}`, {
        advice: 'Give slipway a device that nothing else uses, or end what uses it.',
        items: users,
      });
    }
    await sleep(200);
  }
}

/** Who uses a device, a line each; empty where it is free. */
export async function usersOf(device: BlockDevice): Promise<string[]> {
  const known = [
    ...(await mounts(device)),
    ...(await swaps(device)),
    ...(await holders(device)),
    ...(await loops(device)),
    ...(await processes(device)),
  ];
  // The kernel's own word, which also knows of other mount namespaces and of partitions; the others only explain it.
  if (known.length === 0 && !(await isFree(device))) return ['the kernel has given it away (EBUSY)'];
  return known;
}

async function isFree({ path }: BlockDevice): Promise<boolean> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_EXCL);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
    throw unfit(`${path} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

async function mounts({ number }: BlockDevice): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n');
  return lines
    .map((line) => line.split(' '))
    .filter((fields) => fields[2] === number)
    .map((fields) => `mounted on ${fields[4]}`);
}

async function swaps({ number }: BlockDevice): Promise<string[]> {
  const lines = (await readFile('/proc/swaps', 'utf8')).trimEnd().split('\n').slice(1);
  const users: string[] = [];
  for (const [path = ''] of lines.map((line) => line.split(/\s+/))) {
    if ((await numberOf(path)) === number) users.push('swap of the host');
  }
  return users;
}

/** Device mapper and RAID above it. */
async function holders({ number }: BlockDevice): Promise<string[]> {
  const names = await readdir(`/sys/dev/block/${number}/holders`).catch(() => []);
  return names.map((name) => `part of ${name}`);
}

async function loops({ number }: BlockDevice): Promise<string[]> {
  const users: string[] = [];
  for (const name of await readdir('/sys/block')) {
    const file = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => undefined);
    if (file !== undefined && (await numberOf(file.trimEnd())) === number) users.push(`behind ${name}`);
  }
  return users;
}

async function processes({ number }: BlockDevice): Promise<string[]> {
  const users: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (!(await hasOpen(pid, number))) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    users.push(`open in process ${pid} (${name.trimEnd()})`);
  }
  return users;
}

/** Processes and their files vanish while they are looked at. */
async function hasOpen(pid: string, number: string): Promise<boolean> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const path = `/proc/${pid}/fd/${fd}`;
    // Most are no devices, and the link tells that without a look at a file that may hang.
    const target = await readlink(path).catch(() => '');
    if (target.startsWith('/') && (await numberOf(path)) === number) return true;
  }
  return false;
}

/** `<major>:<minor>` of a block device; undefined for anything else. */
async function numberOf(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  if (!stats?.isBlockDevice()) return undefined;
  const { major, minor } = deviceNumber(stats.rdev);
  return `${major}:${minor}`;
}
