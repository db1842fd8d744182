import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What bounds the processes of a container together. */
export const CONTROLLERS = ['memory', 'pids', 'cpu'] as const;
export type Controller = (typeof CONTROLLERS)[number];

/** A control group hierarchy of the host that has a controller. */
export interface Hierarchy {
  version: 1 | 2;
  /** Where it is mounted. */
  folder: string;
}

/** Processes of one container, threads included: as many as a virtual machine with this memory lets its build have. */
export function maxProcesses(memoryMiB: number): number {
  return Math.min(30_000, memoryMiB * 6);
}

/** Microseconds in which a container gets its share of the CPUs. */
const PERIOD = 100_000;
const PARENT = 'slipway';

/** Which controllers this host has, and where: version 2, version 1 or both side by side. */
export function hierarchies(
  mounts: string = readFileSync('/proc/self/mountinfo', 'utf8'),
): Partial<Record<Controller, Hierarchy>> {
  const found: Partial<Record<Controller, Hierarchy>> = {};
  for (const line of mounts.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const folder = left.split(' ')[4];
    const [type, , options = ''] = right.split(' ');
    if (folder === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue;
    const has = type === 'cgroup' ? options.split(',') : controllersOf(folder);
    for (const controller of CONTROLLERS) {
      if (has.includes(controller)) found[controller] ??= { version: type === 'cgroup' ? 1 : 2, folder };
    }
  }
  return found;
}

function controllersOf(folder: string): string[] {
  return readFileSync(join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ');
}

/** Folders of the control groups that belong to the VM of a folder, whether they exist or not. Nobody else's. */
export function groupsOf(folder: string, of = hierarchies()): string[] {
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 20);
  return [...new Set(Object.values(of).map((hierarchy) => join(hierarchy.folder, PARENT, name)))];
}

/**
 * Makes the control groups of a container, with their limits, and returns the folder of each controller; those of a
 * host that has none, or gives none away, are missing.
 */
export function createGroups(
  folder: string,
  limits: { memoryMiB: number; cpus: number },
  of = hierarchies(),
): Partial<Record<Controller, string>> {
  removeGroups(groupsOf(folder, of));
  const made: Partial<Record<Controller, string>> = {};
  for (const controller of CONTROLLERS) {
    const hierarchy = of[controller];
    if (hierarchy === undefined) continue;
    const [group = ''] = groupsOf(folder, { [controller]: hierarchy });
    try {
      if (hierarchy.version === 2) enable(hierarchy.folder, controller);
      makeFolder(dirname(group));
      makeFolder(group);
      for (const [file, value] of limitsOf(controller, hierarchy, limits)) {
        if (existsSync(join(group, file))) writeFileSync(join(group, file), value);
      }
      made[controller] = group;
    } catch (error) {
      // Read-only in a container of the host's own, or kept by its service manager: the VM does without.
      if (!REFUSALS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return made;
}

const REFUSALS = ['EROFS', 'EACCES', 'EPERM', 'EBUSY', 'ENOENT', 'EINVAL', 'EOPNOTSUPP'];

/** Not `recursive`, which never returns where the kernel refuses a folder as missing. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** In version 2 a group has the controllers that all groups above it hand down. */
function enable(root: string, controller: Controller): void {
  makeFolder(join(root, PARENT));
  for (const folder of [root, join(root, PARENT)]) {
    const file = join(folder, 'cgroup.subtree_control');
    if (!readFileSync(file, 'utf8').split(/\s+/).includes(controller)) writeFileSync(file, `+${controller}`);
  }
}

/** Files and what is written into them, in this order; those that the kernel has not are left out. */
function limitsOf(
  controller: Controller,
  { version }: Hierarchy,
  { memoryMiB, cpus }: { memoryMiB: number; cpus: number },
): [string, string][] {
  const bytes = String(memoryMiB * 1024 ** 2);
  const quota = String(cpus * PERIOD);
  if (controller === 'pids') return [['pids.max', String(maxProcesses(memoryMiB))]];
  if (version === 2) {
    // The swap of the host is not the guest's.
    if (controller === 'memory')
      return [
        ['memory.max', bytes],
        ['memory.swap.max', '0'],
      ];
    return [['cpu.max', `${quota} ${PERIOD}`]];
  }
  if (controller === 'memory') {
    return [
      ['memory.limit_in_bytes', bytes],
      ['memory.memsw.limit_in_bytes', bytes],
    ];
  }
  return [
    ['cpu.cfs_period_us', String(PERIOD)],
    ['cpu.cfs_quota_us', quota],
  ];
}

/** Removes those that are there and returns those that are still there: processes in them are not gone yet. */
export function removeGroups(groups: readonly string[]): string[] {
  return groups.filter((group) => {
    try {
      rmdirSync(group);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
    return false;
  });
}
