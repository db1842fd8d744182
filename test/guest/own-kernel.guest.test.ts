import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { cpio } from '../../guest/cpio.ts';
import { bootInitramfs } from '../../guest/initramfs.ts';
import { ext4 } from '../../images/ext4.ts';
import { guestFilesystem } from '../../images/filesystem.ts';
import { makeToolkit } from '../../workers/guest-kernel.ts';
import { busyboxDisk, NONCE, shell, testKernel } from '../support/busybox-guest.ts';
import { bootGuest, emptySwap } from '../support/qemu.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What an operator's archive may have: its own first process and shell, folders that ours has too, a file alone. */
const theirs = cpio([
  { path: 'init', mode: 0o755, content: '#!/bin/sh\necho theirs >/dev/console\n' },
  { path: 'bin/busybox', mode: 0o755, content: 'theirs' },
  { path: 'lib/firmware/of-theirs', mode: 0o644, content: 'firmware' },
  { path: 'toolkit/words', mode: 0o644, content: 'exit 1\n' },
]);

test.each([
  ['as it is', theirs],
  ['packed', gzipSync(theirs)],
  ['of an odd length', gzipSync(Buffer.concat([theirs, Buffer.alloc(3)])).subarray()],
])("a kernel of the host's own boots behind an initramfs of the operator, %s", async (_, archive) => {
  const folder = await temporaryFolder();
  const path = (name: string) => join(folder, name);
  await busyboxDisk(folder, 16);
  const { image, tree, release } = await testKernel();
  await copyFile(image, path('vmlinuz'));
  await writeFile(path('theirs'), archive);
  const configuration = {
    ...({ from: 'files', image: path('vmlinuz'), initramfs: path('theirs') } as const),
    modules: join(tree, 'lib/modules', release),
  };
  const kernel = await makeToolkit(
    { configuration, path: () => '', cache: path('cache') },
    { architecture: 'amd64', packages: [] },
    { filesystemModules: ext4.modules, into: path('toolkit'), aside: path('aside') },
    AbortSignal.timeout(60_000),
  );
  expect(kernel).toMatchObject({ image: path('vmlinuz'), release });
  const commands = [shell('uname -r')];
  const spec = { ...({ phase: 'build', nonce: NONCE, architecture: 'amd64', commands } as const) };
  await bootInitramfs({
    spec: { ...spec, filesystem: guestFilesystem(ext4) },
    ...{ toolkit: path('toolkit'), into: path('initramfs') },
  });
  await emptySwap(path('swap'));
  const files = { disk: path('disk'), swap: path('swap'), initramfs: path('initramfs') };
  const said = await bootGuest({ ...files, kernel: kernel.image, folder });
  expect(said.log).toBe(`${release}\n`);
  expect(said.records).toContain('done result=succeeded');
});
