import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../../host/run.ts';
import { assembleDeb, buildDeb } from '../../../support/deb.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { preinstallHere } from './preinstall-here.ts';

/** A folder of the host with a file in it, outside of the tree. */
async function victim(folder: string): Promise<string> {
  const path = join(folder, 'victim');
  await mkdir(path);
  await writeFile(join(path, 'passwd'), "the host's");
  return path;
}

async function expectUntouched(path: string): Promise<void> {
  expect(await readdir(path)).toEqual(['passwd']);
  expect(await readFile(join(path, 'passwd'), 'utf8')).toBe("the host's");
}

test('a file below a link to a folder of the host, shipped by another package, lands inside of the tree', async () => {
  const folder = await temporaryFolder();
  const target = await victim(folder);
  const first = await buildDeb(folder, {
    package: 'base-files',
    files: { '/x': { link: target }, [`${target}/kept`]: '' },
  });
  const second = await buildDeb(folder, { package: 'second', files: { '/x/passwd': 'evil' } });
  const { tree } = await preinstallHere(folder, [first, second]);
  await expectUntouched(target);
  expect(await readFile(join(tree, target, 'passwd'), 'utf8')).toBe('evil');
  // The attack is a real one: what keeps links to folders, as a merged /usr demands, but has another root falls for it.
  const naive = join(folder, 'naive');
  await mkdir(naive);
  for (const deb of [first, second]) {
    const archive = `${deb.path}.tar`;
    await run(['dpkg-deb', '--fsys-tarfile', deb.path], { stdout: { file: archive } });
    await run(['tar', '-x', '--keep-directory-symlink', '-C', naive, '-f', archive]);
  }
  expect(await readFile(join(target, 'passwd'), 'utf8')).toBe('evil');
});

test('neither do names with .. or from the root lead out of it', async () => {
  const folder = await temporaryFolder();
  const target = await victim(folder);
  const honest = await buildDeb(folder, { package: 'odd' });
  await writeFile(join(folder, 'payload'), 'evil');
  const data = join(folder, 'data.tar');
  const outwards = `s,^payload$,./${'../'.repeat(20)}${target.slice(1)}/passwd,`;
  await run(['tar', '-c', '-P', '-f', data, '-C', folder, `--transform=${outwards}`, 'payload']);
  await run(['tar', '-r', '-P', '-f', data, '-C', folder, `--transform=s,.*,${target}/new,`, 'payload']);
  const control = join(folder, 'control.tar');
  await run(['dpkg-deb', '--ctrl-tarfile', honest.path], { stdout: { file: control } });
  const deb = await assembleDeb(folder, 'odd', { control, data });
  await expect(preinstallHere(folder, [deb])).rejects.toMatchObject({ type: 'InputRejected' });
  await expectUntouched(target);
});

test("dpkg's database does not follow a package's link to a folder of the host", async () => {
  const folder = await temporaryFolder();
  const target = await victim(folder);
  const deb = await buildDeb(folder, { package: 'greedy', files: { '/var/lib/dpkg': { link: target } } });
  await expect(preinstallHere(folder, [deb])).rejects.toMatchObject({ type: 'InputRejected' });
  await expectUntouched(target);
});

test('a digest is never taken of a file of the host', async () => {
  const folder = await temporaryFolder();
  const target = await victim(folder);
  const deb = await buildDeb(folder, {
    package: 'curious',
    files: { '/etc/secret.conf': { link: join(target, 'passwd') } },
    control: { conffiles: '/etc/secret.conf\n' },
  });
  const { tree } = await preinstallHere(folder, [deb]).catch(() => ({ tree: undefined }));
  if (tree !== undefined) {
    expect(await readFile(join(tree, 'var/lib/dpkg/status'), 'utf8')).toContain(
      '/etc/secret.conf newconffile',
    );
  }
});

test('a link in the control archive is refused: it would bring a file of the host into the guest', async () => {
  const folder = await temporaryFolder();
  const target = await victim(folder);
  const honest = await buildDeb(folder, { package: 'sly' });
  const unpacked = join(folder, 'control');
  await run(['dpkg-deb', '--control', honest.path, unpacked]);
  await symlink(join(target, 'passwd'), join(unpacked, 'postinst'));
  const [control, data] = [join(folder, 'control.tar'), join(folder, 'data.tar')];
  await run(['tar', '-c', '-f', control, '-C', unpacked, '.']);
  await run(['dpkg-deb', '--fsys-tarfile', honest.path], { stdout: { file: data } });
  const deb = await assembleDeb(folder, 'sly', { control, data });
  await expect(preinstallHere(folder, [deb])).rejects.toMatchObject({
    type: 'InputRejected',
    message: 'sly 1.0: its control archive has "postinst", which is no plain file',
  });
});

test('a device node is refused', async () => {
  const folder = await temporaryFolder();
  const deb = await buildDeb(folder, {
    package: 'device',
    prepare: async (root) => run(['mknod', join(root, 'null'), 'c', '1', '3']),
  });
  await expect(preinstallHere(folder, [deb])).rejects.toMatchObject({
    type: 'InputRejected',
    more: { items: ['device'] },
  });
});

test.each([
  ['another version', { version: '2.0' }, 'the file says that it is thing 1.0 all, the lock thing 2.0 all'],
  ['another package', { package: 'other' }, 'the file says that it is thing 1.0 all, the lock other 1.0 all'],
])('a file that is %s than the lock says is refused', async (_, difference, why) => {
  const folder = await temporaryFolder();
  const deb = { ...(await buildDeb(folder, { package: 'thing' })), ...difference };
  await expect(preinstallHere(folder, [deb])).rejects.toThrow(why);
});

test('what is no package at all is named', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'junk.deb');
  await writeFile(path, 'junk');
  const deb = { path, package: 'junk', version: '1.0', architecture: 'all' };
  await expect(preinstallHere(folder, [deb])).rejects.toMatchObject({
    type: 'InputRejected',
    more: { items: ['junk'] },
  });
});
