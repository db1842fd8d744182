import { chmod, mkdir, open, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTar, type TarEntry } from '../../../client/compare/tar-entries.ts';
import { run } from '../../../host/run.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

async function entriesOf(path: string): Promise<TarEntry[]> {
  await using file = await open(path);
  const entries: TarEntry[] = [];
  for await (const entry of readTar(file)) entries.push(entry);
  return entries;
}

const LONG = `${'d'.repeat(120)}/${'ü'.repeat(100)}`;

async function madeTree(): Promise<string> {
  const folder = await temporaryFolder();
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'd'.repeat(120)), { recursive: true });
  await writeFile(join(tree, 'file'), 'content');
  await writeFile(join(tree, LONG), 'long');
  await writeFile(join(tree, 'empty'), '');
  await chmod(join(tree, 'file'), 0o4755);
  await utimes(join(tree, 'file'), 1_000_000_000, 1_000_000_000);
  await symlink('x'.repeat(150), join(tree, 'link'));
  await run(['ln', join(tree, 'file'), join(tree, 'hard')]);
  await run(['mkfifo', join(tree, 'pipe')]);
  return folder;
}

test.each(['ustar-like (v7)', 'gnu', 'pax'])('reads what tar writes: %s', async (format) => {
  const folder = await madeTree();
  const archive = join(folder, 'a.tar');
  const names = format.startsWith('ustar') ? ['./file', './hard', './empty', './pipe'] : ['.'];
  const kind = format.startsWith('ustar') ? 'ustar' : format;
  await run(['tar', `--format=${kind}`, '--sort=name', '-C', join(folder, 'tree'), '-cf', archive, ...names]);
  const entries = new Map((await entriesOf(archive)).map((entry) => [entry.path, entry]));
  const listed = (await run(['tar', '-tf', archive, '--quoting-style=literal'])).stdout.trim().split('\n');
  expect([...entries.keys()]).toEqual(listed);
  const file = entries.get('./file');
  expect(file).toMatchObject({
    kind: '-',
    mode: 0o4755,
    size: 7,
    modified: 1_000_000_000,
    owner: 'root',
    group: 'root',
  });
  await using handle = await open(archive);
  const content = Buffer.alloc(7);
  await handle.read(content, 0, 7, file?.offset ?? 0);
  expect(content.toString()).toBe('content');
  expect(entries.get('./hard')).toMatchObject({ kind: 'h', target: './file' });
  expect(entries.get('./pipe')).toMatchObject({ kind: 'p' });
  if (kind === 'ustar') return;
  expect(entries.get('./link')).toMatchObject({ kind: 'l', target: 'x'.repeat(150) });
  expect(entries.get(`./${LONG}`)).toMatchObject({ kind: '-', size: 4 });
  expect(entries.get('./')).toMatchObject({ kind: 'd' });
});

test('refuses what is no archive, or cut off', async () => {
  const folder = await madeTree();
  const archive = join(folder, 'a.tar');
  await writeFile(archive, 'no archive'.repeat(200));
  await expect(entriesOf(archive)).rejects.toThrow('this is no tar archive');
  await run(['tar', '-C', join(folder, 'tree'), '-cf', archive, './file']);
  await truncate(archive, 514);
  await expect(entriesOf(archive)).rejects.toThrow('the archive is cut off');
  await writeFile(archive, '');
  expect(await entriesOf(archive)).toEqual([]);
});
