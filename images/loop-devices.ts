import { readdir, readFile, stat } from 'node:fs/promises';
import { CommandFailed, run } from '../host/run.ts';

export interface LoopDevice {
  /** `/dev/loop3` */
  device: string;
  /** `<major>:<minor>` */
  number: string;
  /** The file behind it, by the name that it had when the device was set up. */
  file: string;
}

const DELETED = ' (deleted)';

/** Loop devices whose file lies, or lay, in a folder or below it; asked of sysfs. @param folder without symlinks */
export async function loopDevicesBelow(folder: string): Promise<LoopDevice[]> {
  const found: LoopDevice[] = [];
  for (const name of await readdir('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    // Absent where the device has no file.
    const said = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => undefined);
    const number = await readFile(`/sys/block/${name}/dev`, 'utf8').catch(() => undefined);
    if (said === undefined || number === undefined) continue;
    const line = said.replace(/\n$/, '');
    const file = line.endsWith(DELETED) ? line.slice(0, -DELETED.length) : line;
    if (!file.startsWith(`${folder}/`)) continue;
    found.push({ device: `/dev/${name}`, number: number.trim(), file });
  }
  return found;
}

/**
 * Asks the kernel to detach a loop device. That it says yes means little: one that is in use stays attached until
 * nobody uses it any more, so who needs to know looks afterwards.
 */
export async function detach({ device }: LoopDevice): Promise<void> {
  try {
    if (!(await stat(device)).isBlockDevice()) return;
    await run(['losetup', '--detach', device], { timeout: 30_000 });
  } catch (error) {
    // Gone meanwhile, or somebody else's already: who asked looks.
    if (!(error instanceof CommandFailed) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
