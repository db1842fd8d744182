import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { moduleFiles } from '../../guest/kernel.ts';
import { toolkitInitramfs } from '../../guest/toolkit.ts';
import { run } from '../../host/run.ts';
import { testKernel } from '../support/busybox-guest.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MAKE = fileURLToPath(new URL('./make-toolkit.ts', import.meta.url));

test('modules come with what they depend on, before them; what is built in needs none', async () => {
  const kernel = await testKernel();
  const names = (await moduleFiles(kernel, ['virtio_blk', 'ext4', 'virtio_pci'])).map((file) =>
    file.replace(/^.*\//, ''),
  );
  expect(names.slice(0, 3)).toEqual(['virtio_ring.ko', 'virtio.ko', 'virtio_blk.ko']);
  expect(names.at(-1)).toBe('virtio_pci.ko');
  expect(new Set(names).size).toBe(names.length);
  await expect(moduleFiles(kernel, ['no_such'])).rejects.toMatchObject({ type: 'InputRejected' });
});

test('the same toolkit each time, with all that its programs load', async () => {
  const folder = await temporaryFolder();
  const kernel = await testKernel();
  for (const name of ['one', 'two']) {
    await toolkitInitramfs({ kernel, filesystemModules: ['ext4'], into: join(folder, name) });
  }
  await run(['cmp', join(folder, 'one'), join(folder, 'two')]);
  expect((await readdir(folder)).sort()).toEqual(['one', 'two']);
  await run(['cpio', '--extract', '--quiet', '--make-directories', '--file', join(folder, 'one')], {
    cwd: folder,
  });
  for (const program of ['nsenter', 'find', 'filefrag']) {
    const { exitCode } = await run(['chroot', folder, `/toolkit/${program}`, '-V'], { accept: [1] });
    expect(exitCode, program).toBeLessThan(2);
  }
});

test.each([
  ['xz', ['xz', '-9']],
  ['zst', ['zstd', '-q', '--rm']],
] as const)('modules packed as .%s come unpacked, as busybox loads them', async (ending, pack) => {
  const folder = await temporaryFolder();
  const kernel = await testKernel();
  const from = join(kernel.tree, 'lib/modules', kernel.release);
  const into = join(folder, 'lib/modules', kernel.release);
  await mkdir(into, { recursive: true });
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    await copyFile(join(from, name), join(into, name));
  }
  const needed = ['virtio_pci', 'virtio_blk', 'virtio_console', 'pvpanic-pci', 'ext4'];
  for (const file of await moduleFiles(kernel, needed)) {
    const copy = join(into, relative(from, file));
    await mkdir(dirname(copy), { recursive: true });
    await copyFile(file, copy);
  }
  const copied = { ...kernel, tree: folder };
  const make = async (name: string) => {
    await run(['depmod', '--basedir', folder, kernel.release]);
    await toolkitInitramfs({ kernel: copied, filesystemModules: ['ext4'], into: join(folder, name) });
    return moduleFiles(copied, needed);
  };
  for (const file of await make('plain')) await run([...pack, file]);
  expect((await make('packed')).every((file) => file.endsWith(`.ko.${ending}`))).toBe(true);
  await run(['cmp', join(folder, 'plain'), join(folder, 'packed')]);
});

/** Makes a toolkit on a host that has something else where a program was. */
async function makeWith(mount: Parameters<typeof withMount>[0]): Promise<string> {
  const folder = await temporaryFolder();
  const arguments_ = [JSON.stringify(await testKernel()), join(folder, 'toolkit')];
  return withMount(mount, [process.execPath, MAKE, ...arguments_]);
}

test('a host without the programs is unfit, and the message names the Debian package', async () => {
  expect(await makeWith(['none', 'bind', '/usr/bin/env', '/bin/busybox'])).toMatch(
    /^HostUnfit: .*busybox is not static: install the Debian package busybox-static/,
  );
  expect(await makeWith(['tmpfs', 'ro', 'tmpfs', '/usr/sbin'])).toMatch(
    /^HostUnfit: .* is missing: install the Debian package (kmod|e2fsprogs)/,
  );
  expect(await makeWith(['none', 'bind', '/usr/bin/env', '/usr/bin/env'])).toBe('made\n');
});
