import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { unpackKernel } from '../../guest/kernel.ts';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CONTROL = 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@localhost>\nDescription: x\n';

/** A package with the files of a kernel, or without. */
async function packageWith(folder: string, files: readonly string[]): Promise<string> {
  const tree = join(folder, 'tree');
  for (const file of ['DEBIAN/control', ...files]) {
    await mkdir(join(tree, file, '..'), { recursive: true });
    await writeFile(join(tree, file), file === 'DEBIAN/control' ? CONTROL : file);
  }
  await run(['dpkg-deb', '--build', '-Znone', tree, join(folder, 'x.deb')]);
  return join(folder, 'x.deb');
}

const KERNEL = ['boot/vmlinuz-6.1-x', 'lib/modules/6.1-x/modules.builtin', 'lib/modules/6.1-x/modules.order'];

test('two at once unpack one kernel, and nothing else is left', async () => {
  const folder = await temporaryFolder();
  const of = { debs: [await packageWith(folder, KERNEL)], cache: join(folder, 'cache') };
  const [one, two] = await Promise.all([unpackKernel(of), unpackKernel(of)]);
  expect(one).toEqual(two);
  expect(one).toMatchObject({ release: '6.1-x', image: join(one.tree, 'boot/vmlinuz-6.1-x') });
  const kernels = await readdir(join(folder, 'cache/kernels'));
  expect(kernels).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect(await readdir(join(one.tree, 'lib/modules/6.1-x'))).toContain('modules.dep');
});

test('what a worker left that was killed while it unpacked is deleted', async () => {
  const folder = await temporaryFolder();
  const cache = join(folder, 'cache');
  await mkdir(join(cache, 'kernels/unpacking-abc123/boot'), { recursive: true });
  await writeFile(join(cache, 'kernels/unpacking-abc123/boot/vmlinuz-6.1-x'), '');
  const { tree } = await unpackKernel({ debs: [await packageWith(folder, KERNEL)], cache });
  expect(await readdir(join(cache, 'kernels'))).toEqual([basename(tree)]);
});

test('what is no kernel package is rejected by name, and not kept', async () => {
  const folder = await temporaryFolder();
  const cache = join(folder, 'cache');
  const other = { debs: [await packageWith(folder, ['usr/share/doc/x'])], cache };
  await expect(unpackKernel(other)).rejects.toMatchObject({ type: 'InputRejected' });
  await writeFile(join(folder, 'text.deb'), 'no package');
  const text = { debs: [join(folder, 'text.deb')], cache };
  await expect(unpackKernel(text)).rejects.toThrow('text.deb is no Debian package');
  expect(await readdir(join(cache, 'kernels'))).toEqual([]);
});
