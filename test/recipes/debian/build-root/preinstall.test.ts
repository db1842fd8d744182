import { chmod, chown, link, lstat, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../../host/run.ts';
import { buildDeb } from '../../../support/deb.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { preinstallHere } from './preinstall-here.ts';

test('a package for /bin lands in /usr/bin, with owners, setuid mode, hard links and times as it ships them', async () => {
  const folder = await temporaryFolder();
  const deb = await buildDeb(folder, {
    package: 'tool',
    files: { '/bin/tool': 'tool', '/usr/share/tool': { link: '../bin/tool' } },
    prepare: async (root) => {
      await link(join(root, 'bin/tool'), join(root, 'bin/alias'));
      await chown(join(root, 'bin/tool'), 0, 42);
      await chmod(join(root, 'bin/tool'), 0o6755);
    },
  });
  const { tree, reports } = await preinstallHere(folder, [deb]);
  expect(await readlink(join(tree, 'bin'))).toBe('usr/bin');
  expect(await readlink(join(tree, 'lib64'))).toBe('usr/lib64');
  const file = await lstat(join(tree, 'usr/bin/tool'));
  expect({ mode: (file.mode & 0o7777).toString(8), uid: file.uid, gid: file.gid, links: file.nlink }).toEqual(
    {
      mode: '6755',
      uid: 0,
      gid: 42,
      links: 2,
    },
  );
  expect(file.mtimeMs).toBe(1_000_000_000_000);
  expect((await lstat(join(tree, 'usr/bin/alias'))).ino).toBe(file.ino);
  expect(await readlink(join(tree, 'usr/share/tool'))).toBe('../bin/tool');
  expect(reports).toEqual([{ what: 'tool', done: 1, total: 1, unit: 'packages' }]);
});

test('nothing else is left: no tool of the host in the tree, no temporary file beside it', async () => {
  const folder = await temporaryFolder();
  const { tree } = await preinstallHere(folder, [await buildDeb(folder, { package: 'tool' })]);
  expect((await readdir(tree)).sort()).toEqual(
    ['bin', 'build', 'etc', 'lib', 'lib32', 'lib64', 'libx32', 'sbin', 'usr', 'var'].sort(),
  );
  expect(await readdir(join(folder, 'work'))).toEqual(['tree']);
});

test('the builder owns its home and the sources; /etc has nothing of this machine', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'x'), 'source', { mode: 0o600 });
  const masters = await buildDeb(folder, {
    package: 'base-passwd',
    files: {
      '/usr/share/base-passwd/passwd.master': 'root:*:0:0:root:/root:/bin/bash\nman:*:6:12:man:/:/bin/sh\n',
      '/usr/share/base-passwd/group.master': 'root:*:0:\nman:*:12:\n',
    },
  });
  const sources = [{ path: join(folder, 'x'), name: 'hello, world_1.0.dsc' }];
  const { tree } = await preinstallHere(folder, [masters], { sources });
  const source = await lstat(join(tree, 'build/reproducible-path/hello, world_1.0.dsc'));
  expect([source.uid, source.gid, (source.mode & 0o777).toString(8)]).toEqual([1000, 1000, '644']);
  expect((await lstat(join(tree, 'build'))).uid).toBe(1000);
  expect((await lstat(join(folder, 'x'))).uid).toBe(0);
  expect(await readFile(join(tree, 'etc/passwd'), 'utf8')).toBe(
    'root:*:0:0:root:/root:/bin/bash\nman:*:6:12:man:/:/bin/sh\nbuilder:*:1000:1000::/build:/bin/sh\n',
  );
  expect(await readFile(join(tree, 'etc/group'), 'utf8')).toBe('root:*:0:\nman:*:12:\nbuilder:*:1000:\n');
  expect(await readFile(join(tree, 'etc/machine-id'), 'utf8')).toBe('');
  expect(await readFile(join(tree, 'etc/resolv.conf'), 'utf8')).toBe('');
  expect(await readFile(join(tree, 'etc/hostname'), 'utf8')).toBe('slipway\n');
});

test('dpkg finds each package unpacked, its files unchanged, its conffiles by their digest', async () => {
  const folder = await temporaryFolder();
  const plain = await buildDeb(folder, {
    package: 'plain',
    files: { '/etc/plain.conf': 'a', '/usr/share/plain/x': 'x' },
    control: {
      conffiles: '/etc/plain.conf\nremove-on-upgrade /etc/old.conf\n',
      md5sums: '9dd4e461268c8034f5c8564e155c67a6  usr/share/plain/x\n',
      triggers: '# two\ninterest-noawait /usr/share/plain\ninterest told # so\nactivate-noawait ldconfig\n',
    },
  });
  const library = await buildDeb(folder, {
    package: 'libthing1',
    architecture: 'amd64',
    fields: { 'Multi-Arch': 'same' },
    files: {
      '/usr/lib/libthing.so.1': 'lib',
      '/usr/lib/libthing.so': { link: 'libthing.so.1' },
      '/etc/thing': 'x',
    },
    control: { conffiles: '/etc/thing\n', postinst: '#!/bin/sh\n', triggers: 'interest told\n' },
  });
  const { tree } = await preinstallHere(folder, [plain, library]);
  const database = join(tree, 'var/lib/dpkg');
  const query = ['dpkg-query', `--admindir=${database}`] as const;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a format of dpkg
  const format = '${binary:Package} ${Status}\n${Conffiles}\n';
  const shown = await run([...query, '--show', '--showformat', format]);
  expect(shown.stdout).toBe(
    'libthing1:amd64 install ok unpacked\n /etc/thing 9dd4e461268c8034f5c8564e155c67a6\nplain install ok unpacked\n' +
      ' /etc/plain.conf 0cc175b9c0f1b6a831c399e269772661\n /etc/old.conf newconffile remove-on-upgrade\n',
  );
  expect((await run([...query, '--listfiles', 'plain'])).stdout).toBe(
    '/.\n/etc\n/etc/plain.conf\n/usr\n/usr/share\n/usr/share/plain\n/usr/share/plain/x\n',
  );
  expect((await readdir(join(database, 'info'))).sort()).toEqual([
    'format',
    'libthing1:amd64.conffiles',
    'libthing1:amd64.list',
    'libthing1:amd64.md5sums',
    'libthing1:amd64.postinst',
    'libthing1:amd64.triggers',
    'plain.conffiles',
    'plain.list',
    'plain.md5sums',
    'plain.triggers',
  ]);
  // It brought none: made as dpkg does, without the conffiles and what is no plain file.
  expect(await readFile(join(database, 'info/libthing1:amd64.md5sums'), 'utf8')).toBe(
    'e8acc63b1e238f3255c900eed37254b8  usr/lib/libthing.so.1\n',
  );
  expect((await lstat(join(database, 'info/libthing1:amd64.postinst'))).mode & 0o777).toBe(0o755);
  expect(await readFile(join(database, 'triggers/File'), 'utf8')).toBe('/usr/share/plain plain/noawait\n');
  expect(await readFile(join(database, 'triggers/told'), 'utf8')).toBe('libthing1:amd64\nplain\n');
  expect((await run(['dpkg', `--root=${tree}`, '--verify'])).stdout).toBe('');
});

test('of a file that two packages ship, that of the one which replaces the other lies there, whatever their order', async () => {
  const folder = await temporaryFolder();
  const files = (content: string) => ({ '/usr/share/shared': content, [`/usr/share/${content}`]: content });
  const old = await buildDeb(folder, { package: 'old', files: files('old') });
  const young = await buildDeb(folder, {
    package: 'young',
    fields: { Replaces: 'other, old (<< 1.1)' },
    files: files('young'),
  });
  const { tree } = await preinstallHere(folder, [young, old]);
  expect(await readFile(join(tree, 'usr/share/shared'), 'utf8')).toBe('young');
  const info = join(tree, 'var/lib/dpkg/info');
  expect(await readFile(join(info, 'old.list'), 'utf8')).not.toContain('shared');
  expect(await readFile(join(info, 'young.list'), 'utf8')).toContain('/usr/share/shared\n');
});

test('two packages with the same file, none of which replaces that version of the other, are named', async () => {
  const folder = await temporaryFolder();
  const files = { '/usr/share/shared': 'x' };
  const one = await buildDeb(folder, { package: 'one', version: '2.0', files });
  const two = await buildDeb(folder, { package: 'two', fields: { Replaces: 'one (<< 1.1)' }, files });
  await expect(preinstallHere(folder, [one, two])).rejects.toMatchObject({
    type: 'InstallFailed',
    message: 'both one and two ship /usr/share/shared, and neither replaces the other',
    more: { items: ['one', 'two'] },
  });
});

test('a package whose preinst diverts files waits as a whole for the guest; one that only speaks of it does not', async () => {
  const folder = await temporaryFolder();
  const diverting = await buildDeb(folder, {
    package: 'diverting',
    files: { '/usr/bin/awk': 'ours' },
    control: { preinst: '#!/bin/sh\ndpkg-divert --add --rename /usr/bin/awk\n' },
  });
  const speaking = await buildDeb(folder, {
    package: 'speaking',
    files: { '/usr/bin/speak': 'x' },
    control: { preinst: '#!/bin/sh\n# dpkg-divert would be of no use\n' },
  });
  const { tree } = await preinstallHere(folder, [diverting, speaking]);
  expect(await readdir(join(tree, 'usr/bin'))).toEqual(['speak']);
  expect(await readdir(join(tree, 'var/cache/slipway'))).toEqual(['diverting_all.deb']);
  expect(await readFile(join(tree, 'var/lib/dpkg/status'), 'utf8')).not.toContain('Package: diverting');
});

test('no script of a package runs', async () => {
  const folder = await temporaryFolder();
  const script = `#!/bin/sh\ntouch ${folder}/ran\n`;
  const control = { preinst: script, postinst: script, config: script };
  await preinstallHere(folder, [await buildDeb(folder, { package: 'eager', control })]);
  expect(await readdir(folder)).not.toContain('ran');
});

test('when it is cancelled it ends with the reason and leaves nothing running or lying about', async () => {
  const folder = await temporaryFolder();
  const debs = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name) =>
      buildDeb(folder, { package: `pkg${name}`, files: { [`/usr/share/${name}`]: 'x'.repeat(1_000_000) } }),
    ),
  );
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('enough')), 60);
  await expect(preinstallHere(folder, debs, { signal: abort.signal })).rejects.toThrow('enough');
  expect(await readdir(join(folder, 'work'))).toEqual(['tree']);
  expect((await readdir(join(folder, 'work/tree'))).filter((name) => name.startsWith('.'))).toEqual([]);
});
