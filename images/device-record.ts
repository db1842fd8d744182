import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CorruptFile, readJson, writeFileAtomic } from '../host/atomic-file.ts';
import { unfit } from './block-device.ts';

const FILE = 'devices.json';

const Device = z.strictObject({
  name: z.string().describe('As the operator wrote it'),
  number: z.string().regex(/^\d+:\d+$/),
});

/** Which devices a lease has, as it lies in its scratch folder. */
export const DeviceRecord = z.strictObject({
  version: z.literal(1),
  /** Scratch may be shared with other hosts, whose devices have the same names. */
  host: z.string(),
  disk: Device,
  swap: Device,
  /**
   * `taken`: nothing is known of what lies on them yet; `empty`: all zeros; `used`: the build's own data is on the disk.
   */
  state: z.enum(['taken', 'empty', 'used']),
});
export type DeviceRecord = z.infer<typeof DeviceRecord>;

/** Undefined where the lease has none. @throws CorruptFile */
export function readDevices(folder: string): Promise<DeviceRecord | undefined> {
  return readJson(join(folder, FILE), DeviceRecord);
}

export function writeDevices(folder: string, record: DeviceRecord): Promise<void> {
  return writeFileAtomic(join(folder, FILE), JSON.stringify(record, null, 2), { mode: 0o600 });
}

export function removeDevices(folder: string): Promise<void> {
  return rm(join(folder, FILE), { force: true });
}

/**
 * Numbers of all devices that any lease of a host has, be the lease dead or alive: as long as its folder is there, so
 * may be what works in it.
 * @throws SlipwayFailure HostUnfit where a record cannot be read: nobody knows then what is taken
 */
export async function takenDevices(root: string, host: string): Promise<Set<string>> {
  const taken = new Set<string>();
  for (const name of await readdir(root)) {
    const record = await readDevices(join(root, name)).catch((error: NodeJS.ErrnoException) => {
      if (error instanceof CorruptFile) throw damaged(error);
      // Not a folder, or one that was deleted meanwhile.
      if (error.code === 'ENOTDIR' || error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (record?.host !== host) continue;
    taken.add(record.disk.number).add(record.swap.number);
  }
  return taken;
}

function damaged(error: CorruptFile): Error {
  return unfit(`nobody knows which devices are taken: ${error.message}`, {
    advice: `See that no guest of that lease runs, then delete ${error.path}.`,
    cause: error,
  });
}
