import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../../host/run.ts';
import { buildDeb, type DebDescription } from '../../../support/deb.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { preinstallHere } from './preinstall-here.ts';

const MD5 = { one: '1'.repeat(32), other: '2'.repeat(32) };

function library(folder: string, architecture: string, more: Partial<DebDescription> = {}) {
  return buildDeb(folder, {
    package: 'libfoo1',
    architecture,
    fields: { 'Multi-Arch': 'same' },
    files: { '/usr/share/doc/libfoo1/copyright': 'free', [`/usr/lib/${architecture}/libfoo.so.1`]: 'x' },
    control: { md5sums: `${MD5.one}  usr/share/doc/libfoo1/copyright\n` },
    ...more,
  });
}

const dpkg = (folder: string) => buildDeb(folder, { package: 'dpkg', architecture: 'amd64' });

test("packages of two architectures lie beside each other as dpkg has them, and it knows the foreign one's", async () => {
  const folder = await temporaryFolder();
  const tool = await buildDeb(folder, {
    package: 'tool',
    architecture: 'arm64',
    control: { triggers: 'interest /usr/lib\n' },
  });
  const debs = [await dpkg(folder), await library(folder, 'amd64'), await library(folder, 'arm64'), tool];
  const { tree } = await preinstallHere(folder, debs);
  const database = join(tree, 'var/lib/dpkg');
  expect(await readFile(join(database, 'arch'), 'utf8')).toBe('amd64\narm64\n');
  expect((await readdir(join(database, 'info'))).filter((name) => name.endsWith('.list'))).toEqual([
    'dpkg.list',
    'libfoo1:amd64.list',
    'libfoo1:arm64.list',
    'tool.list',
  ]);
  const admindir = `--admindir=${database}`;
  const { stdout } = await run(['dpkg-query', admindir, '--show']);
  expect(stdout.match(/^\S+/gm)).toEqual(['dpkg', 'libfoo1:amd64', 'libfoo1:arm64', 'tool:arm64']);
  for (const id of ['libfoo1:amd64', 'libfoo1:arm64']) {
    const listed = await run(['dpkg-query', admindir, '--listfiles', id]);
    expect(listed.stdout).toContain('/usr/share/doc/libfoo1/copyright\n');
  }
  expect((await run(['dpkg', admindir, '--print-foreign-architectures'])).stdout).toBe('arm64\n');
});

test('packages of one architecture need no list of architectures', async () => {
  const folder = await temporaryFolder();
  const { tree } = await preinstallHere(folder, [await dpkg(folder), await library(folder, 'amd64')]);
  expect(await readdir(join(tree, 'var/lib/dpkg'))).not.toContain('arch');
});

test('dpkg is told of the architecture of a package that it unpacks itself', async () => {
  const folder = await temporaryFolder();
  const control = { preinst: '#!/bin/sh\ndpkg-divert --add /x\n' };
  const both = await Promise.all(
    ['amd64', 'arm64'].map((architecture) => library(folder, architecture, { control })),
  );
  const { tree } = await preinstallHere(folder, [await dpkg(folder), ...both]);
  expect(await readFile(join(tree, 'var/lib/dpkg/arch'), 'utf8')).toBe('amd64\narm64\n');
  expect((await readdir(join(tree, 'var/cache/slipway'))).sort()).toEqual([
    'libfoo1_amd64.deb',
    'libfoo1_arm64.deb',
  ]);
});

test.each([
  [
    'that differs between the architectures',
    { control: { md5sums: `${MD5.other}  usr/share/doc/libfoo1/copyright\n` } },
    '/usr/share/doc/libfoo1/copyright of libfoo1:amd64 and of libfoo1:arm64 are different files',
  ],
  [
    'of a package that cannot be there for two architectures',
    { fields: {} },
    'both libfoo1 and libfoo1 ship /usr/share/doc/libfoo1/copyright, and neither replaces the other',
  ],
])('a shared file %s is refused, as by dpkg', async (_, more, why) => {
  const folder = await temporaryFolder();
  const debs = [await library(folder, 'amd64'), await library(folder, 'arm64', more)];
  await expect(preinstallHere(folder, debs)).rejects.toMatchObject({ type: 'InstallFailed', message: why });
});
