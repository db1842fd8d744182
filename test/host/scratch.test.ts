import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CommandFailed, run } from '../../host/run.ts';
import {
  admit,
  asScratchFull,
  BOOTS,
  createScratch,
  deleteScratch,
  freeSpace,
  scratchFolder,
} from '../../host/scratch.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ID = 'anvil-0198c0de-1-1';

test('all paths follow from the id, differ, and lie in the folder of the lease', () => {
  const scratch = scratchFolder('/scratch', ID);
  const { folder, initramfs, vm, boot, ...others } = scratch;
  const paths = [
    ...Object.values(others),
    ...BOOTS.flatMap((name) => [initramfs(name), vm(name), boot(name)]),
  ];
  expect(folder).toBe(`/scratch/${ID}`);
  expect(new Set(paths).size).toBe(paths.length);
  for (const path of paths) expect(path.startsWith(`${folder}/`)).toBe(true);
});

test.each(['', '.', '..', '../x', 'a/b', '/etc'])('%j is no folder of a lease', async (id) => {
  const root = await temporaryFolder();
  await writeFile(join(root, 'kept'), '');
  expect(() => scratchFolder(root, id)).toThrow(RangeError);
  await expect(deleteScratch(root, id)).rejects.toThrow(RangeError);
  expect(await readdir(root)).toEqual(['kept']);
});

test('a scratch folder is made for root alone, and making it again keeps what is there', async () => {
  const root = join(await temporaryFolder(), 'scratch');
  const scratch = await createScratch(root, ID);
  await writeFile(scratch.disk, 'disk');
  await createScratch(root, ID);
  expect(await readFile(scratch.disk, 'utf8')).toBe('disk');
  expect((await stat(scratch.folder)).mode & 0o777).toBe(0o700);
  for (const name of BOOTS) expect(await readdir(scratch.vm(name))).toEqual([]);
});

test('deleting takes odd permissions, names and depths, and is idempotent', async () => {
  const root = await temporaryFolder();
  const { tree } = await createScratch(root, ID);
  await mkdir(join(tree, 'closed', 'inner'), { recursive: true });
  await writeFile(join(tree, 'closed', 'inner', 'file'), '', { mode: 0o000 });
  await chmod(join(tree, 'closed'), 0o000);
  for (const name of ['-rf', 'new\nline', 'a b', '*', 'ünïcode', ' ']) await writeFile(join(tree, name), '');
  await writeFile(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]), '');
  await run(['mkfifo', join(tree, 'fifo')]);
  // 6000 bytes: longer than any path that the kernel takes at once.
  await run(
    [
      'sh',
      '-c',
      'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do mkdir "$0" && cd -P "$0" || exit; done',
      'd'.repeat(250),
    ],
    {
      cwd: tree,
    },
  );
  await deleteScratch(root, ID);
  expect(await readdir(root)).toEqual([]);
  await deleteScratch(root, ID);
  await deleteScratch(join(root, 'never-made'), ID);
});

test('symlinks are deleted, not followed', async () => {
  const outside = await temporaryFolder();
  await writeFile(join(outside, 'kept'), '');
  const root = await temporaryFolder();
  const { tree } = await createScratch(root, ID);
  await mkdir(tree);
  await symlink(outside, join(tree, 'link'));
  await symlink(outside, join(root, 'other'));
  await deleteScratch(root, ID);
  await deleteScratch(root, 'other');
  expect(await readdir(root)).toEqual([]);
  expect(await readdir(outside)).toEqual(['kept']);
});

test('nothing is deleted while something is mounted below, also where the root is reached by a symlink', async () => {
  const base = await temporaryFolder();
  await mkdir(join(base, 'real'));
  await symlink('real', join(base, 'root'));
  const root = join(base, 'root');
  const scratch = await createScratch(root, ID);
  await createScratch(root, `${ID}0`);
  const point = join(base, 'real', ID, 'a "mount"\tpoint');
  await mkdir(point);
  await writeFile(scratch.disk, 'disk');
  await run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'slipway-test', point]);
  let mounted = true;
  const unmount = async () => {
    if (mounted) await run(['umount', point]);
    mounted = false;
  };
  onTestFinished(unmount);

  const error = await deleteScratch(root, ID).catch((error: unknown) => error);
  expect(error).toMatchObject({ type: 'HostUnfit', more: { items: [point] } });
  expect(await readFile(scratch.disk, 'utf8')).toBe('disk');
  await deleteScratch(root, `${ID}0`);

  await unmount();
  await deleteScratch(root, ID);
  await expect(lstat(scratch.folder)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('free space is what df says', async () => {
  const folder = await temporaryFolder();
  const free = await freeSpace(folder);
  const { stdout } = await run(['df', '--output=avail,iavail', '--block-size=1', folder]);
  const [bytes, inodes] = (stdout.trim().split('\n')[1] as string).trim().split(/\s+/).map(Number) as [
    number,
    number,
  ];
  // Others write to the same disk meanwhile.
  expect(Math.abs(free.bytes - bytes)).toBeLessThan(bytes / 2);
  expect(Math.abs(free.inodes - inodes)).toBeLessThan(inodes / 2);
});

test('what fits is admitted; what does not is ScratchFull with both numbers', async () => {
  const folder = await temporaryFolder();
  await admit(folder, 1, 1);
  await expect(admit(folder, 2 ** 50)).rejects.toMatchObject({
    type: 'ScratchFull',
    message: expect.stringMatching(/\(\d+ bytes\) free, 1 PiB \(1125899906842624 bytes\) are needed/),
  });
  await expect(admit(folder, 1, 1e15)).rejects.toMatchObject({
    type: 'ScratchFull',
    message: expect.stringContaining('1000000000000000 are needed'),
  });
});

test('a full disk is ScratchFull, said by the system and by a command', async () => {
  const folder = await temporaryFolder();
  const full = await writeFile('/dev/full', 'x').catch((error: unknown) => error);
  expect(asScratchFull(full, folder)).toMatchObject({
    type: 'ScratchFull',
    message: expect.stringMatching(/bytes\) and \d+ files free now\): .*ENOSPC/),
    cause: full,
  });
  expect(asScratchFull(full, join(folder, 'gone'))).toMatchObject({ type: 'ScratchFull' });
  const said = await run(['dd', 'if=/dev/zero', 'of=/dev/full', 'count=1']).catch((error: unknown) => error);
  expect(said).toBeInstanceOf(CommandFailed);
  expect(asScratchFull(said, folder)).toMatchObject({ type: 'ScratchFull', cause: said });
});

test('any other error stays what it is', async () => {
  const missing = await readFile('/none/such').catch((error: unknown) => error);
  const failed = await run(['false']).catch((error: unknown) => error);
  const typed = new SlipwayFailure('DiskFull', 'No space left on device');
  for (const error of [missing, failed, typed, 'text', undefined])
    expect(asScratchFull(error, '/')).toBe(error);
});
