import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { removeScratch } from '../../activities/delete-scratch.ts';
import { run } from '../../host/run.ts';
import { createScratch } from '../../host/scratch.ts';
import { diskFiles } from '../../images/disk-places.ts';
import { ext4 } from '../../images/ext4.ts';
import { detach, loopDevicesBelow } from '../../images/loop-devices.ts';
import { mountDisk } from '../../images/mounted-disk.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { undoMounts } from '../../images/undo-mounts.ts';
import { context, leftOf, place } from '../contracts/filesystem/under-test.ts';
import { loopDevice } from '../support/loop-devices.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const LEASE = 'host-11111111-2222-3333-4444-555555555555-0-1';

/** A loop device that does not go by itself. */
async function attach(file: string): Promise<string> {
  const device = (await run(['losetup', '--find', '--show', '--', file])).stdout.trim();
  onTestFinished(async () => {
    const { stdout } = await run(['losetup', '--noheadings', '--output', 'BACK-FILE', device], {
      accept: [1],
    });
    if (stdout.startsWith(file)) await run(['losetup', '--detach', device]);
  });
  return device;
}

it('has nothing to do where there is no folder, or nothing in it', async () => {
  const folder = await temporaryFolder();
  await undoMounts(join(folder, 'missing'));
  await undoMounts(folder);
});

it('detaches loop devices of the folder, also of a file that was deleted, and no other', async () => {
  const folder = await temporaryFolder();
  const [ours, beside] = [join(folder, 'a'), join(folder, 'ab')];
  await mkdir(ours);
  await mkdir(beside);
  for (const file of [join(ours, 'disk'), join(ours, 'deleted'), join(beside, 'disk')]) {
    await createSparseFile(file, 16);
    await attach(file);
  }
  await rm(join(ours, 'deleted'));
  expect((await loopDevicesBelow(ours)).length).toBe(2);
  await undoMounts(ours, 1000);
  expect(await loopDevicesBelow(ours)).toEqual([]);
  expect((await loopDevicesBelow(beside)).length).toBe(1);
});

it('sees through a detaching that succeeds and changes nothing, and says who keeps the device', async () => {
  const folder = await temporaryFolder();
  await createSparseFile(join(folder, 'disk'), 16);
  const device = await attach(join(folder, 'disk'));
  const user = spawn('sh', ['-c', `exec sleep 60 <${device}`]);
  onTestFinished(() => void user.kill());
  await once(user, 'spawn');
  await expect
    .poll(async () => (await run(['fuser', device], { accept: [1] })).stdout.trim())
    .toBe(String(user.pid));
  const [loop] = await loopDevicesBelow(folder);
  if (loop === undefined) throw new Error('there is no loop device');
  await detach(loop);
  expect(await loopDevicesBelow(folder)).toEqual([loop]);
  await expect(undoMounts(folder, 300)).rejects.toMatchObject({
    type: 'HostUnfit',
    message: expect.stringContaining(`${device} (${join(folder, 'disk')}) cannot be detached`),
    more: { items: [`process ${user.pid} (sleep): has ${device} open`] },
  });
  user.kill();
  await undoMounts(folder);
  expect(await loopDevicesBelow(folder)).toEqual([]);
});

it('ends a mount of the scratch folder before that is deleted', async () => {
  const root = await temporaryFolder();
  const scratch = await createScratch(root, LEASE);
  await createSparseFile(scratch.disk, 64);
  await ext4.make(scratch.disk, context());
  await mkdir(scratch.tree);
  const { signal } = context();
  await mountDisk({ filesystem: ext4, disk: scratch.disk, at: scratch.tree, signal });
  expect((await leftOf(scratch)).length).toBe(3);
  await removeScratch({ directories: { scratch: root }, disks: diskFiles }, LEASE);
  expect(await leftOf(scratch)).toEqual([]);
  await removeScratch({ directories: { scratch: root }, disks: diskFiles }, LEASE);
});

it('frees a block device', async () => {
  const at = await place(16);
  await using device = await loopDevice(await temporaryFolder(), 'device', 64);
  await ext4.make(device.path, context());
  await mkdir(at.tree);
  await mountDisk({ filesystem: ext4, disk: device.path, at: at.tree, signal: context().signal });
  await undoMounts(at.folder);
  expect(await leftOf(at)).toEqual([]);
  await run(['wipefs', '--all', device.path]);
});

it('two mounts of one scratch folder are refused', async () => {
  const at = await place(64);
  await ext4.make(at.disk, context());
  await mkdir(at.tree);
  const of = { filesystem: ext4, disk: at.disk, at: at.tree, signal: context().signal };
  const first = await mountDisk(of);
  onTestFinished(() => first.release());
  await expect(mountDisk(of)).rejects.toMatchObject({ type: 'HostUnfit' });
});

it('what is no filesystem is not mounted, and nothing is left', async () => {
  const at = await place(64);
  await mkdir(at.tree);
  const mounting = mountDisk({ filesystem: ext4, disk: at.disk, at: at.tree, signal: context().signal });
  await expect(mounting).rejects.toMatchObject({
    type: 'HostUnfit',
    message: expect.stringMatching(
      /^a disk with ext4 cannot be mounted on this host: mount: .*wrong fs type/s,
    ),
  });
  expect(await leftOf(at)).toEqual([]);
});
