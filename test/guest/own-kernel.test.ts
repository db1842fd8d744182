import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { cpio } from '../../guest/cpio.ts';
import { moduleFiles } from '../../guest/kernel.ts';
import { ownKernel, readInitramfs } from '../../guest/own-kernel.ts';
import { armImage, bzImage, modulesFolder } from '../support/kernel-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const RELEASE = '6.1.0-own';

async function files() {
  const folder = await temporaryFolder();
  const modules = await modulesFolder(folder, RELEASE);
  const image = join(folder, 'bzImage');
  await writeFile(image, bzImage(RELEASE));
  return { folder, image, modules, aside: join(folder, 'aside') };
}

test('an image and a folder of modules are a kernel; what is built in needs no file', async () => {
  const { image, modules, aside } = await files();
  for (let time = 0; time < 2; time++) {
    const kernel = await ownKernel({ image, modules }, 'amd64', aside);
    expect(kernel).toEqual({ image, release: RELEASE, tree: aside, isHostsOwn: true });
    expect(await moduleFiles(kernel, ['virtio_blk', 'ext4'], ['pvpanic-pci'])).toEqual([]);
  }
});

test('a module that is neither built in nor there makes the host unfit, by name', async () => {
  const { folder, image, aside } = await files();
  const modules = await modulesFolder(folder, RELEASE, ['virtio_pci']);
  const kernel = await ownKernel({ image, modules }, 'amd64', aside);
  await expect(moduleFiles(kernel, ['virtio_pci', 'virtio_blk'])).rejects.toMatchObject({
    ...{ type: 'HostUnfit', message: `kernel ${RELEASE} has no module virtio_blk` },
    more: { items: ['virtio_blk'] },
  });
});

type Given = Awaited<ReturnType<typeof files>>;

test.each([
  ['a missing image', ({ image }: Given) => rm(image), /^kernel\.image cannot be read: ENOENT/],
  ['a text', ({ image }: Given) => writeFile(image, 'vmlinuz'), /bzImage is no kernel for amd64$/],
  [
    'a kernel for arm64',
    ({ image }: Given) => writeFile(image, armImage()),
    /bzImage is no kernel for amd64$/,
  ],
  [
    'a kernel of another release',
    ({ image }: Given) => writeFile(image, bzImage('6.2.0-other')),
    /is kernel 6\.2\.0-other, but its modules .* are of 6\.1\.0-own$/,
  ],
  [
    'missing modules',
    ({ modules }: Given) => rm(modules, { recursive: true }),
    /^kernel\.modules .* is no folder$/,
  ],
  [
    'modules without an index',
    ({ modules }: Given) => rm(join(modules, 'modules.dep')),
    /has no modules of a kernel: there is no modules\.dep$/,
  ],
])('%s: the host is unfit, and it is said where to look', async (_, spoil, message) => {
  const given = await files();
  await spoil(given);
  const { image, modules, aside } = given;
  await expect(ownKernel({ image, modules }, 'amd64', aside)).rejects.toMatchObject({
    ...{ type: 'HostUnfit', message: expect.stringMatching(message) },
    more: { advice: expect.stringContaining('section kernel of the worker configuration') },
  });
});

test('an Image is a kernel for arm64; it does not say its release', async () => {
  const { image, modules, aside } = await files();
  await writeFile(image, armImage());
  expect(await ownKernel({ image, modules }, 'arm64', aside)).toMatchObject({ release: RELEASE });
  await writeFile(image, bzImage(RELEASE));
  await expect(ownKernel({ image, modules }, 'arm64', aside)).rejects.toThrow('is no kernel for arm64');
});

test.each([
  ['an archive', cpio([]), true],
  ['a packed one', gzipSync(cpio([])), true],
  ['a text', Buffer.from('initrd'), false],
  ['nothing', Buffer.alloc(0), false],
  ['an old archive', Buffer.from('070707000000'), false],
])('an initramfs that is %s', async (_, bytes, fits) => {
  const folder = await temporaryFolder();
  const path = join(folder, 'initrd');
  await writeFile(path, bytes);
  if (fits) expect(await readInitramfs(path)).toEqual(bytes);
  else
    await expect(readInitramfs(path)).rejects.toMatchObject({
      ...{ type: 'HostUnfit', message: `${path} is no initramfs` },
    });
});

test('an initramfs that is not there, or a folder', async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'folder'));
  for (const name of ['missing', 'folder']) {
    await expect(readInitramfs(join(folder, name))).rejects.toThrow(/^kernel\.initramfs cannot be read/);
  }
});
