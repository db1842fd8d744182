import { dirname } from 'node:path';
import { withFileLock } from '../host/file-lock.ts';
import type { ScratchFolder } from '../host/scratch.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { type BlockDevice, blockDevice, firstData, signatures, unfit, zeroDevice } from './block-device.ts';
import {
  type DeviceRecord,
  readDevices,
  removeDevices,
  takenDevices,
  writeDevices,
} from './device-record.ts';
import { refuseUsed } from './device-users.ts';
import type { DiskPlaces, DiskSizes, Disks } from './disk-places.ts';

const MIB = 1024 ** 2;

/** Longest wait for another process that is choosing; none holds the lock while it wipes. */
const LOCK_SECONDS = 60;

export interface DiskDevicesOptions {
  /** Paths of block devices, a pair for each build at a time. */
  pairs: readonly Disks[];
  /** Whether a device with anything on it is wiped before use; otherwise it is refused. */
  clean: boolean;
  host: string;
  /** A file that every worker of the host locks to choose; made where it is missing. */
  lock: string;
}

interface Pair {
  disk: BlockDevice;
  swap: BlockDevice;
}

/**
 * Block devices that the operator gave. A guest gets whole devices, all zeros, which nobody else uses. Which pair a lease
 * has is a record in its scratch folder, written under a lock of the host before the pair is touched.
 */
export function createDiskDevices(options: DiskDevicesOptions): DiskPlaces {
  const locked = <Result>(work: () => Promise<Result>, signal?: AbortSignal) =>
    withFileLock(options.lock, LOCK_SECONDS, work, signal);
  return {
    admit: async (_root, sizes) =>
      refuseTooLarge((await lookUpAll(options.pairs)).found, sizes, options.host),
    async give(scratch, sizes, signal) {
      const record = await locked(() => choose(scratch, sizes, options), signal);
      const pair = await pairOf(record);
      if (record.state !== 'empty') {
        // What a pair has that was used already is this build's own, whatever `clean` says.
        const wipe = options.clean || record.state === 'used';
        for (const device of [pair.disk, pair.swap]) await empty(device, wipe, signal);
        await writeDevices(scratch.folder, { ...record, state: 'empty' });
      }
      return pathsOf(pair);
    },
    async renewDisk(scratch, _diskMiB, signal) {
      const record = await recordOf(scratch);
      const { disk } = await pairOf(record);
      // The mkfs of a killed attempt may still be writing.
      await refuseUsed(disk);
      if (record.state === 'empty') await writeDevices(scratch.folder, { ...record, state: 'used' });
      else await zeroDevice(disk, signal);
    },
    find: async (scratch) => pathsOf(await pairOf(await recordOf(scratch))),
    takeBack: ({ folder }) => locked(() => removeDevices(folder)),
  };
}

/** The pair that a lease has, else one that is free, large enough and unused: of those the smallest. */
async function choose(
  scratch: ScratchFolder,
  sizes: DiskSizes,
  { pairs, host }: DiskDevicesOptions,
): Promise<DeviceRecord> {
  const known = await readDevices(scratch.folder);
  if (known !== undefined) return known;
  const taken = await takenDevices(dirname(scratch.folder), host);
  const { found, failure } = await lookUpAll(pairs);
  if (found.length === 0) throw failure;
  const large = found.filter((pair) => tooSmall(pair, sizes) === undefined);
  if (large.length === 0) throw noneLargeEnough(found, sizes, unfit);
  const free = large.filter(({ disk, swap }) => !taken.has(disk.number) && !taken.has(swap.number));
  free.sort((a, b) => a.disk.bytes + a.swap.bytes - b.disk.bytes - b.swap.bytes);
  let refused: unknown;
  for (const pair of free) {
    try {
      for (const device of [pair.disk, pair.swap]) await refuseUsed(device, 2000);
    } catch (error) {
      refused ??= error;
      continue;
    }
    const record: DeviceRecord = { version: 1, host, ...named(pair), state: 'taken' };
    await writeDevices(scratch.folder, record);
    return record;
  }
  throw refused ?? allTaken(large.length);
}

function named({ disk, swap }: Pair): Pick<DeviceRecord, 'disk' | 'swap'> {
  return {
    disk: { name: disk.name, number: disk.number },
    swap: { name: swap.name, number: swap.number },
  };
}

/** @throws SlipwayFailure HostUnfit where the two are one */
async function lookUp({ disk, swap }: Disks): Promise<Pair> {
  const pair = { disk: await blockDevice(disk), swap: await blockDevice(swap) };
  if (pair.disk.number === pair.swap.number)
    throw unfit(`${disk} and ${swap} are the same device (${pair.disk.number})`);
  return pair;
}

/** Those that can be looked up, and what is wrong with the first of the others. */
async function lookUpAll(pairs: readonly Disks[]): Promise<{ found: Pair[]; failure?: unknown }> {
  const looked = await Promise.allSettled(pairs.map((pair) => lookUp(pair)));
  const found = looked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  return { found, failure: looked.find((each) => each.status === 'rejected')?.reason };
}

/** The devices that a lease was given, which are looked up anew: a name may lead elsewhere by now. */
async function pairOf(record: DeviceRecord): Promise<Pair> {
  const pair = await lookUp({ disk: record.disk.name, swap: record.swap.name });
  for (const which of ['disk', 'swap'] as const) {
    if (pair[which].number === record[which].number) continue;
    throw unfit(
      `${record[which].name} is another device (${pair[which].number}) than the one that the build was given (${record[which].number})`,
    );
  }
  return pair;
}

async function recordOf({ folder }: ScratchFolder): Promise<DeviceRecord> {
  const record = await readDevices(folder);
  if (record !== undefined) return record;
  throw unfit(`the build of ${folder} has no devices: it began under another configuration`);
}

function pathsOf({ disk, swap }: Pair): Disks {
  return { disk: disk.path, swap: swap.path };
}

/** Has a device read as zeros, or refuses one that does not. */
async function empty(device: BlockDevice, wipe: boolean, signal: AbortSignal): Promise<void> {
  await refuseUsed(device);
  if (wipe) return zeroDevice(device, signal);
  const at = await firstData(device, signal);
  if (at === undefined) return;
  const found = await signatures(device);
  const what = found.length === 0 ? 'data' : found.join(', ');
  throw unfit(`${device.name} is not empty: it has ${what} (first at byte ${at})`, {
    advice:
      'Set disks.clean: true to have slipway wipe its devices before each build, or wipe it yourself: blkdiscard --zeroout. Nothing was written.',
  });
}

function tooSmall({ disk, swap }: Pair, { diskMiB, swapMiB = 0 }: Partial<DiskSizes>): string | undefined {
  const lacks = (device: BlockDevice, wanted: number) =>
    device.bytes < wanted * MIB
      ? `${device.name} has ${Math.floor(device.bytes / MIB)} MiB, ${wanted} MiB are wanted`
      : undefined;
  return lacks(disk, diskMiB ?? 0) ?? lacks(swap, swapMiB);
}

function noneLargeEnough<E>(
  pairs: readonly Pair[],
  sizes: Partial<DiskSizes>,
  make: (message: string, more: { advice: string }) => E,
): E {
  const reasons = pairs.map((pair) => tooSmall(pair, sizes));
  return make(`no device is large enough: ${reasons.join('; ')}`, {
    advice: 'Lower resources.diskMiB or resources.swapMiB, or give the host larger disks.devices.',
  });
}

function refuseTooLarge(pairs: readonly Pair[], sizes: Partial<DiskSizes>, host: string): void {
  // None that can be looked up: an attempt to use one says why.
  if (pairs.length === 0 || pairs.some((pair) => tooSmall(pair, sizes) === undefined)) return;
  throw noneLargeEnough(
    pairs,
    sizes,
    (message, more) => new SlipwayFailure('NoHostAvailable', `host ${host}: ${message}`, more),
  );
}

function allTaken(count: number): SlipwayFailure {
  return new SlipwayFailure('ScratchFull', `all ${count} pairs of devices that are large enough are taken`, {
    advice: 'They come free when the builds, or the janitor after dead ones, have cleaned up.',
  });
}
