import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import type { Lease } from '../../activities/contract.ts';
import { deleteScratch } from '../../activities/delete-scratch.ts';
import type { Guests } from '../../activities/dependencies.ts';
import { preinstall } from '../../activities/preinstall.ts';
import { createScratch } from '../../host/scratch.ts';
import { diskFiles } from '../../images/disk-places.ts';
import { ext4 } from '../../images/ext4.ts';
import type { FillWay } from '../../images/filesystem.ts';
import { filesystems } from '../../images/filesystems.ts';
import { mountDisk } from '../../images/mounted-disk.ts';
import { recipes } from '../../recipes/index.ts';
import { BuildRequest, FilesystemName } from '../../schema/request.ts';
import { leftOf, onMounted } from '../contracts/filesystem/under-test.ts';
import { fakeResolver, testStore } from '../support/build-host.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const LEASE = { id: 'host-11111111-2222-3333-4444-555555555555-0-1', vm: { type: 'qemu' } } as Lease;

async function setUp(
  filesystem: FilesystemName,
  fill: FillWay | undefined,
  fillTree: Guests['fillTree'],
  diskMiB = 320,
) {
  const [root, store] = [await temporaryFolder(), await testStore()];
  const request = BuildRequest.parse({
    recipe: { kind: 'debian', source: { name: 'hello' } },
    resources: { diskMiB, filesystem },
  });
  const lock = await fakeResolver(store).resolve(request, {
    signal: new AbortController().signal,
    report: () => undefined,
  });
  const digest = await store.putBytes(Buffer.from(JSON.stringify(lock)));
  const needs = {
    ...{ host: 'host', fill, store, recipes, disks: diskFiles, directories: { scratch: root } },
    filesystems: { default: 'ext4', byName: filesystems },
    leases: { check: async () => undefined },
    guests: { fillTree, prepareKernel: async () => undefined },
  } as unknown as Parameters<typeof preinstall>[0];
  const scratch = await createScratch(root, LEASE.id);
  const environment = new MockActivityEnvironment();
  return {
    scratch,
    preinstall: () => environment.run(preinstall(needs), LEASE, request, digest, 'whole' as const),
    deleteScratch: () => environment.run(deleteScratch(needs), LEASE),
  };
}

test.each(
  FilesystemName.options.flatMap(
    (name) =>
      [
        [name, undefined],
        [name, 'mount'],
        [name, 'copyin'],
      ] as const,
  ),
)('the build root is on a disk with %s, filled by %s', async (name, fill) => {
  const host = await setUp(name, fill, ({ tree }) => writeFile(join(tree, 'from a package'), 'x'));
  const { scratch } = host;
  await host.preinstall();
  await expect(stat(scratch.tree)).rejects.toThrow('ENOENT');
  const mountPoint = join(scratch.folder, 'mnt');
  await mkdir(mountPoint);
  const at = { ...scratch, mountPoint };
  expect(
    await onMounted({ filesystem: filesystems[name] }, at, ['cat', join(mountPoint, 'from a package')]),
  ).toBe('x');
  await host.deleteScratch();
  await expect(stat(scratch.folder)).rejects.toThrow('ENOENT');
  expect(await leftOf(scratch)).toEqual([]);
});

test('a mount that an attempt before has left is undone, and so is one before the scratch is deleted', async () => {
  const host = await setUp('ext4', 'mount', async () => undefined);
  const { scratch } = host;
  const leave = async () => {
    await diskFiles.renewDisk(scratch, 64, new AbortController().signal);
    await ext4.make(scratch.disk, { signal: new AbortController().signal, report: () => undefined });
    await mkdir(scratch.tree);
    const { signal } = new AbortController();
    await mountDisk({ filesystem: ext4, disk: scratch.disk, at: scratch.tree, signal });
    expect((await leftOf(scratch)).length).toBeGreaterThan(2);
  };
  await leave();
  await host.preinstall();
  expect(await leftOf(scratch)).toEqual([]);
  await leave();
  await host.deleteScratch();
  expect(await leftOf(scratch)).toEqual([]);
});

test('a build root that does not fit is DiskFull, and nothing stays mounted', async () => {
  const large = Buffer.alloc(40 * 1024 ** 2);
  const host = await setUp('ext2', 'mount', ({ tree }) => writeFile(join(tree, 'large'), large), 32);
  await expect(host.preinstall()).rejects.toMatchObject({ type: 'DiskFull' });
  expect(await leftOf(host.scratch)).toEqual([]);
});
