import { mkdir, readFile, statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { keptRoots, ROOTS } from '../../images/build-roots/entries.ts';
import { Resources } from '../../schema/request.ts';
import { formatMiB } from '../../schema/size.ts';
import { CONTROLLERS, hierarchies } from '../../vm/container/control-groups.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { type Finding, failed, ok, warning } from './check.ts';

/** A default guest's disk and swap, and what lies beside them while it is made. */
const ROOM_MIB = 8192;

export async function checkHost(configuration: Configuration): Promise<Finding[]> {
  return [
    checkRoot(),
    checkNode(),
    checkMemory(configuration),
    await checkSpace(configuration.directories.scratch),
    await checkBuildRoots(configuration),
    await checkInit(),
    checkCgroups(),
  ];
}

function checkRoot(): Finding {
  const uid = process.getuid?.();
  if (uid === 0) return ok('root', 'yes');
  return failed(
    'root',
    `no: uid ${uid}`,
    'The worker needs root (namespaces, uids): sudo slipway worker. Clients do not.',
  );
}

function checkNode(): Finding {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 24) return ok('node', process.versions.node);
  return failed(
    'node',
    `${process.versions.node}; 24 is needed`,
    'Start slipway with client/slipway, which has its own.',
  );
}

function checkMemory({ capacity, limits }: Configuration): Finding {
  const needed = Resources.parse({}).memoryMiB;
  const host = Math.floor(totalmem() / 1024 ** 2);
  const one = Math.min(capacity.memoryMiB, limits.memoryMiB ?? capacity.memoryMiB);
  const what = `${formatMiB(host)} in the host, ${formatMiB(capacity.memoryMiB)} for guests, ${formatMiB(one)} at most for one`;
  if (capacity.memoryMiB > host) {
    return failed(
      'memory',
      what,
      'capacity.memory is more than the host has: lower it in the configuration.',
    );
  }
  if (one >= needed) return ok('memory', what);
  return warning(
    'memory',
    what,
    `A default guest has ${formatMiB(needed)}: builds must ask for less with --memory.`,
  );
}

async function checkSpace(scratch: string): Promise<Finding> {
  await mkdir(scratch, { recursive: true }).catch(() => undefined);
  const stats = await statfs(scratch).catch(() => undefined);
  if (stats === undefined) return failed('space', `${scratch} cannot be made`, 'Set directories.scratch.');
  const free = Math.floor((stats.bavail * stats.bsize) / 1024 ** 2);
  const what = `${(free / 1024).toFixed(1)} GiB free in ${scratch}`;
  if (free >= ROOM_MIB) return ok('space', what);
  return failed(
    'space',
    `${what}; a default build wants ${formatMiB(ROOM_MIB)}`,
    'Free some or set directories.scratch.',
  );
}

async function checkBuildRoots({ directories, buildRoots }: Configuration): Promise<Finding> {
  if (buildRoots.size === 0) {
    const advice = 'Each build installs its packages anew: give buildRoots.size some room.';
    return warning('build roots', 'none are kept', advice);
  }
  try {
    const kept = await keptRoots(join(directories.cache, ROOTS));
    const mebibytes = Math.ceil(kept.reduce((sum, { bytes }) => sum + bytes, 0) / 1024 ** 2);
    return ok('build roots', `${kept.length} kept, ${mebibytes} MiB of ${formatMiB(buildRoots.size)}`);
  } catch (error) {
    const advice = 'Ask as root, or set directories.cache.';
    return warning('build roots', `cannot be looked at: ${(error as Error).message}`, advice);
  }
}

/** Neither is needed today; an operator wants to know what bounds a VM here. */
async function checkInit(): Promise<Finding> {
  const name = (await readFile('/proc/1/comm', 'utf8').catch(() => 'unknown')).trim();
  if (name === 'systemd') return ok('init', 'systemd');
  return warning(
    'init',
    `${name}, not systemd`,
    'Nothing must be done; keep the worker running by other means.',
  );
}

function checkCgroups(): Finding {
  const has = hierarchies();
  const found = CONTROLLERS.flatMap((controller) => has[controller] ?? []);
  const versions = [...new Set(found.map(({ version }) => `version ${version}`))].join(' and ') || 'none';
  const lacks = CONTROLLERS.filter((controller) => has[controller] === undefined);
  if (lacks.length === 0) return ok('cgroups', `${versions}: ${CONTROLLERS.join(', ')}`);
  return warning('cgroups', `${versions}, without ${lacks.join(', ')}: nothing bounds these of a container`);
}
