import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { CorruptFile, readJson, writeFileAtomic } from '../../host/atomic-file.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const Point = z.strictObject({ x: z.number(), y: z.number() });

test('a file is written whole, with its mode whatever the umask, and nothing beside it', async () => {
  const folder = await temporaryFolder();
  const before = process.umask(0o077);
  try {
    await writeFileAtomic(join(folder, 'a'), 'one', { mode: 0o664 });
    await writeFileAtomic(join(folder, 'b'), new Uint8Array([1, 2]));
  } finally {
    process.umask(before);
  }
  expect((await stat(join(folder, 'a'))).mode & 0o7777).toBe(0o664);
  expect((await stat(join(folder, 'b'))).mode & 0o7777).toBe(0o644);
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe('one');
  expect(await readdir(folder)).toEqual(['a', 'b']);
});

test('a reader sees one of the whole versions, never a part, while writers race', async () => {
  const path = join(await temporaryFolder(), 'file');
  const versions = ['a', 'b', 'c'].map((letter) => letter.repeat(300_000));
  await writeFileAtomic(path, versions[0] as string);
  let writing = true;
  const writers = Promise.all(versions.map((text) => writeFileAtomic(path, text))).finally(() => {
    writing = false;
  });
  do expect(versions).toContain(await readFile(path, 'utf8'));
  while (writing);
  await writers;
});

test('what cannot be written leaves what was there, and no temporary file', async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'taken'));
  await expect(writeFileAtomic(join(folder, 'taken'), 'x')).rejects.toMatchObject({ code: 'EISDIR' });
  await expect(writeFileAtomic(join(folder, 'missing', 'x'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await readdir(folder)).toEqual(['taken']);
});

test('JSON is read by its schema; a missing file is undefined', async () => {
  const folder = await temporaryFolder();
  await writeFileAtomic(join(folder, 'point'), '{"x":1,"y":2}');
  expect(await readJson(join(folder, 'point'), Point)).toEqual({ x: 1, y: 2 });
  expect(await readJson(join(folder, 'none'), Point)).toBeUndefined();
  expect(await readJson(join(folder, 'no', 'folder'), Point)).toBeUndefined();
});

test.each([
  ['cut off', '{"x":1,', /damaged: not JSON/],
  ['empty', '', /damaged: not JSON/],
  ['of another form', '{"x":1,"y":"2"}', /damaged: (.|\n)*at y/],
])('a file that is %s is refused with its path', async (_, text, message) => {
  const path = join(await temporaryFolder(), 'point');
  await writeFile(path, text);
  const error = await readJson(path, Point).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(CorruptFile);
  expect((error as CorruptFile).path).toBe(path);
  expect((error as CorruptFile).message).toMatch(message);
  expect((error as CorruptFile).message).toContain(path);
});
