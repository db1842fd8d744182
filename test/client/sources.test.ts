import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { sourceFrom } from '../../client/sources.ts';
import { run } from '../../host/run.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import type { Store } from '../../stores/store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await temporaryFolder();
  store = createDirectoryStore({ directory: await temporaryFolder() });
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function writeTree(format: string): Promise<string> {
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'debian', 'source'), { recursive: true });
  await mkdir(join(tree, '.git'));
  const files = {
    '.git/config': 'not part of the source',
    'a file with spaces': 'content',
    'debian/source/format': `${format}\n`,
    'debian/control':
      'Source: tiny\nMaintainer: A <a@example.com>\n\nPackage: tiny\nArchitecture: all\nDescription: x\n',
    'debian/changelog': `tiny (${format.includes('quilt') ? '1-1' : '1'}) unstable; urgency=low\n\n  * x\n\n -- A <a@example.com>  Mon, 01 Jan 2024 00:00:00 +0000\n`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(tree, name), content);
  return tree;
}

async function writeDsc(content = 'upstream'): Promise<string> {
  await writeFile(join(folder, 'tiny_1.tar.gz'), content);
  const dsc = join(folder, 'tiny_1.dsc');
  const listed = ` ${sha256('upstream')} 8 tiny_1.tar.gz`;
  await writeFile(dsc, `Format: 3.0 (native)\nSource: tiny\nVersion: 1\nChecksums-Sha256:\n${listed}\n`);
  return dsc;
}

describe('what is not local', () => {
  it.each([
    ['hello', { name: 'hello' }],
    ['hello=2.10-3', { name: 'hello', version: '2.10-3' }],
    ['https://mirror.example/a_1.dsc', { url: 'https://mirror.example/a_1.dsc' }],
  ])('goes into the request as it is: %s', async (text, source) => {
    expect(await sourceFrom(text, store)).toEqual(source);
  });
});

describe('a .dsc', () => {
  it('is uploaded with its files, and only digests are sent', async () => {
    const dsc = await writeDsc();
    const expected = {
      files: [
        { name: 'tiny_1.dsc', sha256: sha256(await readFile(dsc, 'utf8')) },
        { name: 'tiny_1.tar.gz', sha256: sha256('upstream') },
      ],
    };
    expect(await sourceFrom(dsc, store)).toEqual(expected);
    for (const file of expected.files) expect(await store.blobSize(file.sha256)).toBeGreaterThan(0);
    expect(await sourceFrom(folder, store)).toEqual(expected);
  });

  it('is refused with what is wrong where a file was changed or is missing', async () => {
    await expect(sourceFrom(await writeDsc('changed!'), store)).rejects.toThrow('is not what the .dsc lists');
    await rm(join(folder, 'tiny_1.tar.gz'));
    await expect(sourceFrom(join(folder, 'tiny_1.dsc'), store)).rejects.toThrow(
      'is missing; the .dsc lists it',
    );
    await expect(sourceFrom(join(folder, 'none.dsc'), store)).rejects.toThrow('cannot be read');
  });
});

describe('a folder', () => {
  it('with a source tree is packed without touching it, without version control', async () => {
    const tree = await writeTree('3.0 (native)');
    const before = await readdir(tree, { recursive: true });
    const source = (await sourceFrom(tree, store)) as { files: { name: string; sha256: string }[] };
    expect(source.files.map(({ name }) => name)).toEqual(['tiny_1.dsc', 'tiny_1.tar.xz']);
    expect(await readdir(tree, { recursive: true })).toEqual(before);
    const tar = join(folder, 'tiny.tar.xz');
    await writeFile(tar, await store.readBytes(source.files[1]?.sha256 ?? ''));
    const { stdout } = await run(['tar', '--list', '--file', tar]);
    expect(stdout).toContain('a file with spaces\n');
    expect(stdout).not.toContain('.git');
    // The same tree is the same build.
    expect(await sourceFrom(tree, store)).toEqual(source);
  });

  it('with a quilt tree needs its upstream tarball and says where', async () => {
    const tree = await writeTree('3.0 (quilt)');
    await expect(sourceFrom(tree, store)).rejects.toThrow(/needs its upstream tarball: tiny_1\.orig\.tar/);
    await mkdir(join(folder, 'tiny-1'));
    await writeFile(join(folder, 'tiny-1', 'a file with spaces'), 'content');
    await run(['tar', '--create', '--gzip', '--file', 'tiny_1.orig.tar.gz', 'tiny-1'], { cwd: folder });
    const source = (await sourceFrom(tree, store)) as { files: { name: string }[] };
    expect(source.files.map(({ name }) => name)).toEqual([
      'tiny_1-1.dsc',
      'tiny_1-1.debian.tar.xz',
      'tiny_1.orig.tar.gz',
    ]);
  });

  it('with none or more than one .dsc says what to name', async () => {
    await expect(sourceFrom(folder, store)).rejects.toThrow('is no Debian source tree');
    await writeDsc();
    await writeFile(join(folder, 'other_1.dsc'), '');
    await expect(sourceFrom(folder, store)).rejects.toThrow('more than one .dsc: other_1.dsc, tiny_1.dsc');
    await expect(sourceFrom(join(folder, 'absent'), store)).rejects.toThrow('does not exist');
  });
});
