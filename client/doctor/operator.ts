import { type BlockDevice, blockDevice, firstData, signatures } from '../../images/block-device.ts';
import { takenDevices } from '../../images/device-record.ts';
import { usersOf } from '../../images/device-users.ts';
import type { Disks } from '../../images/disk-places.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { Resources } from '../../schema/request.ts';
import { formatMiB } from '../../schema/size.ts';
import { howToReserve, hugePagePool, pagesFor } from '../../vm/qemu/huge-pages.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { type Finding, failed, ok, warning } from './check.ts';

const MIB = 1024 ** 2;
/** Of a device that must be empty: all of it is read before a build, here only what tells a used one. */
const LOOKED_AT = 16 * MIB;

/** Whether each of the configured devices can be given to a build; nothing where disks are files. */
export async function checkDevices(configuration: Configuration): Promise<Finding[]> {
  const { devices = [] } = configuration.disks;
  const findings: Finding[] = [];
  const names = new Map<string, string>();
  for (const pair of devices) {
    for (const which of ['disk', 'swap'] as const)
      findings.push(await checkDevice(pair, which, configuration, names));
  }
  return findings;
}

/** @param names those that were looked at before, by number */
async function checkDevice(
  pair: Disks,
  which: 'disk' | 'swap',
  configuration: Configuration,
  names: Map<string, string>,
): Promise<Finding> {
  const title = `${which} ${pair[which]}`;
  try {
    const device = await blockDevice(pair[which]);
    const same = names.get(device.number);
    names.set(device.number, device.name);
    if (same !== undefined) {
      return failed(
        title,
        `is the same device as ${same}`,
        'Give each build devices of its own: disks.devices.',
      );
    }
    const taken = await takenDevices(configuration.directories.scratch, configuration.host).catch(noScratch);
    if (taken.has(device.number)) return ok(title, `${sizeOf(device)}, given to a build`);
    const users = await usersOf(device);
    if (users.length > 0) {
      return failed(title, `is in use: ${users.join('; ')}`, 'Give slipway a device that nothing else uses.');
    }
    return (await checkContent(title, device, configuration.disks.clean)) ?? checkSize(title, which, device);
  } catch (error) {
    if (!(error instanceof SlipwayFailure)) throw error;
    return failed(title, error.message, error.details().advice);
  }
}

async function checkContent(
  title: string,
  device: BlockDevice,
  clean: boolean,
): Promise<Finding | undefined> {
  const found = await signatures(device);
  if (clean) {
    if (found.length === 0) return undefined;
    return warning(title, `${sizeOf(device)}; what it has (${found.join(', ')}) is wiped before a build`);
  }
  const head = { ...device, bytes: Math.min(device.bytes, LOOKED_AT) };
  if (found.length === 0 && (await firstData(head, AbortSignal.timeout(60_000))) === undefined)
    return undefined;
  return failed(
    title,
    `is not empty${found.length === 0 ? '' : ` (${found.join(', ')})`}, and disks.clean is off: no build can have it`,
    `Set disks.clean: true, or wipe it: blkdiscard --zeroout ${device.name}`,
  );
}

function checkSize(title: string, which: 'disk' | 'swap', device: BlockDevice): Finding {
  const wanted = Resources.parse({})[`${which}MiB`];
  if (device.bytes >= wanted * MIB) return ok(title, sizeOf(device));
  return warning(
    title,
    sizeOf(device),
    `A default guest has ${formatMiB(wanted)}: builds must ask for less with --${which}.`,
  );
}

/** Whether the kernel keeps as many huge pages as guests may have; nothing where they have ordinary memory. */
export async function checkHugePages({ vm, capacity }: Configuration): Promise<Finding[]> {
  if (vm.hugePages === false) return [];
  try {
    const pool = hugePagePool(vm.hugePages);
    const wanted = pagesFor(Resources.parse({}).memoryMiB, pool);
    const all = pagesFor(capacity.memoryMiB, pool);
    const what = `${pool.total} of ${formatMiB(pool.sizeMiB)} are reserved, ${pool.free} are free`;
    if (pool.total < wanted) {
      return [
        failed(
          'huge pages',
          `${what}; a default guest wants ${wanted}`,
          howToReserve(pool, Math.max(all, wanted)),
        ),
      ];
    }
    if (pool.total < all) {
      return [warning('huge pages', `${what}; capacity.memory is ${all} of them`, howToReserve(pool, all))];
    }
    return [ok('huge pages', what)];
  } catch (error) {
    if (!(error instanceof SlipwayFailure)) throw error;
    return [failed('huge pages', error.message, error.details().advice)];
  }
}

function sizeOf({ bytes }: BlockDevice): string {
  return formatMiB(Math.floor(bytes / MIB));
}

/** Nothing was ever built here. */
function noScratch(error: NodeJS.ErrnoException): Set<string> {
  if (error.code !== 'ENOENT') throw error;
  return new Set();
}
