import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../host/run.ts';

/** The start of a bzImage: what a boot loader looks at, and the release that it says. */
export function bzImage(release: string): Buffer {
  const image = Buffer.alloc(4096);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt16LE(0x200, 0x20e);
  image.write(`${release} (somebody@somewhere) #1 SMP\0`, 0x400, 'latin1');
  return image;
}

/** The start of an arm64 Image. */
export function armImage(): Buffer {
  const image = Buffer.alloc(4096);
  image.write('ARM\x64', 0x38, 'latin1');
  return image;
}

/** What every guest needs, all of it built in. */
export const BUILT_IN = ['virtio_pci', 'virtio_blk', 'virtio_console', 'ext4'];

/** A folder of modules as an installed kernel has it, with these built in and none as files. */
export async function modulesFolder(root: string, release: string, builtIn = BUILT_IN): Promise<string> {
  const folder = join(root, 'lib/modules', release);
  await mkdir(folder, { recursive: true });
  const paths = builtIn.map((name) => `kernel/${name}.ko\n`).join('');
  await writeFile(join(folder, 'modules.builtin'), paths);
  await writeFile(join(folder, 'modules.order'), '');
  await run(['depmod', '--basedir', root, release]);
  return folder;
}
