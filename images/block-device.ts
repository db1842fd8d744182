import { readFile, realpath, stat } from 'node:fs/promises';
import { openRaw } from '../extraction/raw-device.ts';
import { deviceNumber } from '../host/device-number.ts';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** A block device of the host: a partition, a logical volume, a whole disk. */
export interface BlockDevice {
  /** As the operator wrote it: logical volumes and /dev/disk/by-id are symlinks. */
  name: string;
  /** Without symlinks. */
  path: string;
  /** `<major>:<minor>`: the same under every name. */
  number: string;
  bytes: number;
}

/** Zeroing a disk of terabytes takes hours where the device cannot do it by itself; the caller's signal bounds it. */
const TIME_LIMIT = 24 * 3600 * 1000;
const CHUNK = 4 * 1024 * 1024;

/** Looks a device up. @throws SlipwayFailure HostUnfit where it is not there or no block device */
export async function blockDevice(name: string): Promise<BlockDevice> {
  const path = await realpath(name).catch((cause: NodeJS.ErrnoException) => {
    throw unfit(`${name} cannot be used: ${cause.message}`, { cause });
  });
  const stats = await stat(path, { bigint: true });
  if (!stats.isBlockDevice()) throw unfit(`${name} is no block device`);
  const { major, minor } = deviceNumber(stats.rdev);
  const number = `${major}:${minor}`;
  const sectors = await readFile(`/sys/dev/block/${number}/size`, 'latin1').catch((cause: Error) => {
    throw unfit(`${name} is a node without a device: ${cause.message}`, { cause });
  });
  return { name, path, number, bytes: Number(sectors) * 512 };
}

/**
 * Makes the whole device read as zeros. The kernel guarantees that (BLKZEROOUT): it has the device do it where that can,
 * else writes zeros. A mere discard is faster and guarantees nothing.
 * @throws SlipwayFailure HostUnfit
 */
export async function zeroDevice({ name, path }: BlockDevice, signal: AbortSignal): Promise<void> {
  try {
    await run(['blkdiscard', '--zeroout', '--', path], { signal, timeout: TIME_LIMIT });
  } catch (cause) {
    if (!(cause instanceof CommandFailed)) throw cause;
    throw unfit(`${name} cannot be wiped: ${cause.message}`, { cause });
  }
}

/** Offset of the first byte that is not zero, among the first `bytes`. */
export async function firstData(
  { path, bytes }: BlockDevice,
  signal: AbortSignal,
): Promise<number | undefined> {
  await using device = await openRaw(path);
  const end = Math.min(bytes, device.size);
  const zeros = Buffer.alloc(CHUNK);
  const chunk = Buffer.alloc(CHUNK);
  for (let at = 0; at < end; at += CHUNK) {
    signal.throwIfAborted();
    const part = chunk.subarray(0, Math.min(CHUNK, end - at));
    await device.read(part, at);
    if (part.compare(zeros, 0, part.length) !== 0) return at + part.findIndex((byte) => byte !== 0);
  }
  return undefined;
}

/** What is known to lie on a device: `ext4`, `LVM2_member`, `gpt`; for a person. Writes nothing. */
export async function signatures({ path }: BlockDevice): Promise<string[]> {
  const { stdout } = await run(['wipefs', '--no-act', '--noheadings', '--output', 'TYPE', path], {
    accept: [1],
  });
  return [...new Set(stdout.split(/\s+/).filter((type) => type !== ''))];
}

export function unfit(
  message: string,
  more: { advice?: string; items?: string[]; cause?: unknown } = {},
): SlipwayFailure {
  return new SlipwayFailure('HostUnfit', message, {
    advice: 'Correct disks.devices in the configuration of the host: slipway doctor checks them.',
    ...more,
  });
}
