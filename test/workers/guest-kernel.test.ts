import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cpio } from '../../guest/cpio.ts';
import type { LockedPackage } from '../../schema/lock.ts';
import type { Architecture } from '../../schema/request.ts';
import type { KernelConfiguration } from '../../workers/configuration/kernel.ts';
import { parseConfiguration } from '../../workers/configuration.ts';
import { makeToolkit } from '../../workers/guest-kernel.ts';
import { buildDeb } from '../support/deb.ts';
import { BUILT_IN, bzImage, modulesFolder } from '../support/kernel-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Case {
  configuration?: KernelConfiguration;
  architecture?: Architecture;
  kernel?: LockedPackage;
  packages?: LockedPackage[];
  toolkit?: LockedPackage[];
}

/** Packages are found by their name, which is the path of a real one. */
async function make(folder: string, { configuration = { from: 'package' }, ...more }: Case) {
  const inputs = { architecture: 'amd64' as const, packages: [], ...more };
  const kernels = {
    ...{ configuration, cache: join(folder, 'cache'), native: 'amd64' as const },
    path: ({ name }: { name: string }) => name,
  };
  const to = { filesystemModules: ['ext4'], into: join(folder, 'toolkit'), aside: join(folder, 'aside') };
  return makeToolkit(kernels, inputs, to, AbortSignal.timeout(60_000));
}

const builtIn = (names: readonly string[]) => names.map((name) => `kernel/${name}.ko\n`).join('');

function kernelFiles(release: string, which: 'image' | 'modules' | 'both', usr = ''): Record<string, string> {
  const modules = `${usr}/lib/modules/${release}`;
  return {
    ...(which === 'modules' ? {} : { [`/boot/vmlinuz-${release}`]: 'image' }),
    ...(which === 'image' ? { [`/usr/share/doc/${release}`]: '' } : {}),
    ...(which === 'image'
      ? {}
      : { [`${modules}/modules.builtin`]: builtIn(BUILT_IN), [`${modules}/modules.order`]: '' }),
  };
}

async function locked(folder: string, name: string, files: Record<string, string>, architecture = 'amd64') {
  const { path } = await buildDeb(folder, { package: name, architecture, files });
  const of = { package: name, version: '1.0', architecture };
  return { ...of, name: path, urls: [], size: (await stat(path)).size, sha256: '0'.repeat(64) };
}

test.each(['', '/usr'])('the package of the lock, with its modules below %s/lib', async (usr) => {
  const folder = await temporaryFolder();
  const kernel = await locked(folder, 'linux-image-6.1-a', kernelFiles('6.1-a', 'both', usr));
  expect(await make(folder, { kernel })).toMatchObject({ release: '6.1-a' });
});

test('the kernel of the build root, in one package or in two', async () => {
  const folder = await temporaryFolder();
  const configuration = { from: 'build-root' } as const;
  const whole = await locked(folder, 'linux-image-6.1-a', kernelFiles('6.1-a', 'both'));
  const image = await locked(folder, 'linux-image-6.2-b', kernelFiles('6.2-b', 'image'));
  const modules = await locked(folder, 'linux-modules-6.2-b', kernelFiles('6.2-b', 'modules'));
  const debug = await locked(folder, 'linux-image-6.1-a-dbg', kernelFiles('6.1-dbg', 'both'));
  const meta = await locked(folder, 'linux-image-amd64', {});
  const foreign = await locked(folder, 'linux-image-6.1-686', kernelFiles('6.1-686', 'both'), 'i386');
  const others = [debug, meta, foreign];
  const made = (packages: LockedPackage[]) => make(folder, { configuration, packages });
  expect(await made([whole, ...others])).toMatchObject({ release: '6.1-a' });
  expect(await made([image, modules, ...others])).toMatchObject({ release: '6.2-b' });
  await expect(made(others)).rejects.toMatchObject({
    ...{ type: 'UnresolvableDependencies', message: expect.stringContaining('no kernel package for amd64') },
  });
  await expect(made([whole, image, modules])).rejects.toMatchObject({
    ...{ type: 'InputRejected', message: expect.stringContaining('has 2 kernels') },
    more: { items: expect.arrayContaining(['6.1-a', '6.2-b']) },
  });
});

test('files of the host, whatever the lock has, behind an initramfs of the operator', async () => {
  const folder = await temporaryFolder();
  const modules = await modulesFolder(folder, '6.3-own');
  const [image, initramfs] = [join(folder, 'bzImage'), join(folder, 'initramfs')];
  await writeFile(image, bzImage('6.3-own'));
  const theirs = cpio([{ path: 'lib/firmware/x', mode: 0o644, content: 'firmware' }]).subarray(0, -3);
  await writeFile(initramfs, theirs);
  const kernel = await locked(folder, 'linux-image-6.1-a', kernelFiles('6.1-a', 'both'));
  const configuration = { from: 'files', image, modules, initramfs } as const;
  expect(await make(folder, { configuration, kernel })).toMatchObject({ image, release: '6.3-own' });
  const toolkit = await readFile(join(folder, 'toolkit'));
  expect(toolkit.subarray(0, theirs.length)).toEqual(theirs);
  const ours = toolkit.indexOf('070701', theirs.length);
  expect(ours % 512).toBe(0);
  expect(toolkit.subarray(theirs.length, ours).every((byte) => byte === 0)).toBe(true);
});

test('a lock that this host cannot boot from', async () => {
  const folder = await temporaryFolder();
  await expect(make(folder, {})).rejects.toMatchObject({
    ...{ type: 'HostUnfit', message: expect.stringMatching(/^the lock has no kernel package/) },
  });
  const kernel = await locked(folder, 'linux-image-6.1-a', kernelFiles('6.1-a', 'both'), 'arm64');
  await expect(make(folder, { kernel, architecture: 'arm64' })).rejects.toMatchObject({
    ...{ type: 'HostUnfit', message: expect.stringMatching(/^the lock has no programs for guests of arm64/) },
  });
  const toolkit = [await locked(folder, 'findutils', { '/usr/bin/find': 'x' }, 'arm64')];
  await expect(make(folder, { kernel, toolkit, architecture: 'armhf' })).rejects.toMatchObject({
    ...{ type: 'InputRejected', message: expect.stringContaining('the package busybox-static is missing') },
  });
});

test.each([
  ['kernel: {from: files, image: /boot/a, modules: /lib/modules/a}', undefined],
  ['kernel: {from: build-root, initramfs: /a}', undefined],
  ['kernelPackage: linux-image-cloud-amd64', undefined],
  ["kernelPackage: 'linux-image-{architecture}'", undefined],
  ['vm: {architectures: [amd64, i386, arm64]}', undefined],
  ['kernel: {from: files, image: /boot/a}', 'kernel.modules: is missing'],
  ['kernel: {image: /boot/a}', 'kernel.image: belongs to "from: files", not to "from: package"'],
  ['kernel: {from: files, image: a, modules: /b}', 'kernel.image: must be an absolute path'],
  ['kernel: {from: mirror}', /^kernel\.from: .*package.*files.*build-root/],
  ['kernel: {package: x}', /^kernel\.package: unknown field; valid here: from, image, modules, initramfs$/],
  ["kernelPackage: 'linux-image-{arch}'", 'kernelPackage: must be a Debian package name'],
  ['vm: {architectures: []}', /^vm\.architectures: /],
  ['vm: {architectures: [arm64, arm64]}', 'vm.architectures: must name each architecture once'],
  ['vm: {architectures: [riscv64]}', /^vm\.architectures\.0: |^vm\.architectures\[0\]: /],
] as const)('the configuration %s: %s', (text, wrong) => {
  if (wrong === undefined) {
    expect(() => parseConfiguration(text, 'slipway.yaml')).not.toThrow();
    return;
  }
  const items = (() => {
    try {
      parseConfiguration(text, 'slipway.yaml');
    } catch (error) {
      return (error as { more: { items: string[] } }).more.items;
    }
  })();
  expect(items).toEqual([typeof wrong === 'string' ? wrong : expect.stringMatching(wrong)]);
});
