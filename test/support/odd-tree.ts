import { randomBytes } from 'node:crypto';
import { link, mkdir, open, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../host/run.ts';

/** Names that are legal and that careless code breaks on. */
export const ODD_NAMES = [
  'with space',
  'with,comma',
  'with=equals',
  'with"quotes\'',
  'with\\backslash',
  'with\nnewline',
  '-leading-dash',
  '--option',
  '$(id)',
  '*',
  '?query',
  '#hash',
  '~',
  'ünïcödé 日本語 🚢',
  'n'.repeat(255),
];

/** Fills an existing folder with one of everything that a build root can hold. Root only. */
export async function writeOddTree(folder: string): Promise<void> {
  for (const name of ODD_NAMES) await writeFile(join(folder, name), `content of ${name}`);
  await writeFile(Buffer.concat([Buffer.from(`${folder}/not-utf-8-`), Buffer.from([0xff, 0xfe])]), 'raw');
  await mkdir(join(folder, 'a/b c/d\ne'), { recursive: true });
  await writeFile(join(folder, 'a/b c/d\ne/file'), randomBytes(100_000));
  await link(join(folder, 'a/b c/d\ne/file'), join(folder, 'hard link'));
  await symlink('a/b c', join(folder, 'symlink'));
  await symlink(`/${'long/'.repeat(60)}target`, join(folder, 'long symlink'));
  await symlink('nowhere', join(folder, 'dangling'));
  await writeFile(join(folder, 'empty'), '');
  await writeFile(join(folder, 'owned'), 'x');
  await run(['chown', '1000:2000', '--', join(folder, 'owned')]);
  await writeFile(join(folder, 'setuid'), 'x');
  await run(['chmod', '6755', '--', join(folder, 'setuid')]);
  await mkdir(join(folder, 'tmp'));
  await run(['chmod', '1777', '--', join(folder, 'tmp')]);
  await run(['mknod', join(folder, 'null'), 'c', '1', '3']);
  await run(['mknod', join(folder, 'disk'), 'b', '253', '300']);
  await run(['mkfifo', join(folder, 'fifo')]);
  await writeFile(join(folder, 'capable'), 'x');
  await run(['setcap', 'cap_net_raw=ep', join(folder, 'capable')]);
  await run(['touch', '-d', '2001-02-03 04:05:06.789 UTC', '--', join(folder, 'empty')]);
  await sparse(join(folder, 'sparse'));
}

async function sparse(path: string): Promise<void> {
  await using file = await open(path, 'w');
  await file.write(randomBytes(5000), 0, 5000, 3_000_000);
  await file.truncate(8_000_001);
}
