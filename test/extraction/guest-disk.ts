import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ext4 } from '../../images/ext4.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { writeLetterBox } from '../support/letter-box.ts';

const LISTER = fileURLToPath(new URL('../support/list-tree.ts', import.meta.url));
export const NONCE = '0123456789abcdef0123456789abcdef';
export const BOOT = { phase: 'build', nonce: NONCE } as const;
export const SUCCEEDED = { ...BOOT, result: 'succeeded', command: 0, exit: 0 };

/** Files that no copy makes: in pieces between each other, preallocated, punched, longer than their content. */
const DISTURB = `
cd -- "$1"
for i in $(seq 0 39); do
  head -c 12288 /dev/urandom | dd of=piecemeal bs=4096 seek=$((i * 3)) conv=notrunc oflag=dsync status=none
  head -c 5000 /dev/urandom | dd of=between bs=4096 seek=$((i * 4)) conv=notrunc oflag=dsync status=none
done
fallocate -l 3000000 preallocated
head -c 10000 /dev/urandom | dd of=preallocated bs=1000 seek=777 conv=notrunc status=none
head -c 2000000 /dev/urandom > punched
fallocate -p -o 100000 -l 1000000 punched
head -c 5000 /dev/urandom > beyond
fallocate -n -l 1000000 beyond
truncate -s 5000000 only-a-hole
`;

/** Makes disk and swap as a guest leaves them: `tree` in an ext4, files that are hard to read, and the list. */
export async function guestDisk(folder: string, tree: string) {
  const [disk, swap, mountPoint] = [join(folder, 'disk'), join(folder, 'swap'), join(folder, 'mnt')];
  await mkdir(mountPoint);
  await createSparseFile(disk, 128);
  await createSparseFile(swap, 16);
  await ext4.copyIn(disk, tree, { signal: new AbortController().signal, report: () => {} });
  const mounted = (mode: string) => ['ext4', `loop,${mode}`, disk, mountPoint] as const;
  await withMount(mounted('rw'), ['sh', '-ec', `rmdir -- "$1/lost+found"; ${DISTURB}`, 'sh', mountPoint]);
  const list = await withMount(mounted('ro'), [process.execPath, LISTER, mountPoint]);
  await writeLetterBox(swap, { ...SUCCEEDED, list });
  return { disk, swap, list, mounted: mounted('ro'), mountPoint };
}

/** An empty disk of zeros with some bytes in it, and a swap with a list. */
export async function handmade(folder: string, list: string | Uint8Array, content?: Uint8Array) {
  const [disk, swap, into] = [join(folder, 'disk'), join(folder, 'swap'), join(folder, 'into')];
  await mkdir(into, { recursive: true });
  await writeFile(disk, content ?? Buffer.alloc(64 * 1024, 'd'));
  await writeFile(swap, Buffer.alloc(64 * 1024, 's'));
  await writeLetterBox(swap, { ...SUCCEEDED, list });
  return {
    ...BOOT,
    disk,
    swap,
    into,
    limits: { bytes: 1024 * 1024, files: 100 },
    signal: new AbortController().signal,
    report: () => {},
  };
}
