import { mkdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CpioEntry, cpio } from '../../guest/cpio.ts';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ENTRIES: CpioEntry[] = [
  { path: 'b/c/file', mode: 0o640, content: Buffer.from([0, 1, 2, 255, 10]) },
  { path: 'b', mode: 0o700 },
  { path: 'b-c', mode: 0o644, content: 'text' },
  { path: 'link', mode: 0o777, link: 'b/c/file' },
  { path: 'ünïcödé', mode: 0o4755, content: '' },
];

test.each([
  ['GNU cpio', ['cpio', '--extract', '--quiet'] as const],
  ['busybox', ['busybox', 'cpio', '-i'] as const],
])('%s unpacks it', async (_, program) => {
  const folder = await temporaryFolder();
  await run(program, { cwd: folder, input: cpio(ENTRIES) });
  expect(await readFile(join(folder, 'b/c/file'))).toEqual(Buffer.from([0, 1, 2, 255, 10]));
  expect(await readFile(join(folder, 'b-c'), 'utf8')).toBe('text');
  expect(await readlink(join(folder, 'link'))).toBe('b/c/file');
  const modes = ['b', 'b/c', 'b/c/file', 'ünïcödé'].map(async (name) =>
    ((await stat(join(folder, name))).mode & 0o7777).toString(8),
  );
  expect(await Promise.all(modes)).toEqual(['700', '755', '640', '4755']);
});

test('the same bytes for the same entries, in whatever order', () => {
  expect(cpio([...ENTRIES].reverse())).toEqual(cpio(ENTRIES));
  expect(cpio(ENTRIES).length % 512).toBe(0);
});

test('a folder stands before what is in it', async () => {
  const { stdout } = await run(['cpio', '--list', '--quiet'], { input: cpio(ENTRIES) });
  expect(stdout.trim().split('\n').slice(0, 5)).toEqual(['b', 'b-c', 'b/c', 'b/c/file', 'link']);
});

test('contents of any length come back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 8 }), async (contents) => {
      const entries = contents.map((content, index) => ({
        path: `${index}`.padEnd(index + 1, 'x'),
        mode: 0o644,
        content,
      }));
      const folder = await temporaryFolder();
      const archive = join(folder, 'archive');
      await writeFile(archive, cpio(entries));
      await mkdir(join(folder, 'out'));
      await run(['cpio', '--extract', '--quiet', '--file', archive], { cwd: join(folder, 'out') });
      for (const { path, content } of entries) {
        expect(await readFile(join(folder, 'out', path))).toEqual(Buffer.from(content));
      }
    }),
    { numRuns: 20 },
  );
});
