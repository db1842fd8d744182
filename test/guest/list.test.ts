import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const script = (name: string) => fileURLToPath(new URL(`../../guest/scripts/${name}`, import.meta.url));

/** Runs list.awk with the entries (name, "type mode size inode links", target) and what filefrag said. */
async function list(
  entries: [string, string, string?][],
  filefrag: string,
  content = 'device',
): Promise<{ text: string; start: string; written: string }> {
  const folder = await temporaryFolder();
  const into = join(folder, 'in');
  await mkdir(into);
  const file = join(folder, 'in/entries');
  await writeFile(
    file,
    entries.map(([name, of, target = '']) => `${name}\u0001${of}\u0001${target}\n`).join(''),
  );
  const variables = ['-v', `content=${content}`, '-v', `units=${UNITS}`, '-v', `into=${into}`];
  const { stdout } = await run(['busybox', 'awk', ...variables, '-f', script('list.awk'), file], {
    input: filefrag,
  });
  const start = (await readFile(join(into, 'content-start'), 'utf8')).trim();
  const written = await readFile(join(into, 'content'), 'utf8').catch(() => '');
  for (const [path, size] of written.matchAll(/^\/.*filler-(\d+)$/gm)) {
    expect((await stat(path)).size).toBe(Number(size));
  }
  return { text: stdout, start, written: written.replaceAll(`${into}/`, '') };
}

/** Of the swap. */
const UNITS = 1000;

const HEADER = ' ext:     logical_offset:        physical_offset: length:   expected: flags:\n';

test('extents of several files; unwritten ones are holes, those that were cut short are kept', async () => {
  const said = `Filesystem type is: ef53
File size of ./a is 5000 (16 blocks of 512 bytes)
${HEADER}   0:        0..       7:     274432..    274439:      8:            
   1:       32..      39:     300000..    300007:      8:     274464: unwritten
   2:       40..      47:     300008..    300015:      8:     274472: last,eof
./a: 2 extents found
File size of ./b is 12 (8 blocks of 512 bytes)
${HEADER}   0:        0..       7:         16..        23:      8:             last,shared,eof
./b: 1 extent found
`;
  expect(
    await list(
      [
        ['a', 'f 644 5000 11 1'],
        ['b', 'f 600 12 12 1'],
      ],
      said,
    ),
  ).toEqual({
    text: 'F 644 5000 a\nE disk 274432 8 0\nE disk 300008 8 40\nF 600 12 b\nE disk 16 8 0\n',
    ...{ start: '1000', written: '' },
  });
});

test.each([
  'last,not_aligned,inline,eof',
  'last,unknown_loc,delalloc,eof',
  'encoded',
  'last,encoded,eof',
  'unwritten,unknown_loc',
  '0x8000',
])('a file with an extent that is %s follows in the swap as a whole', async (flags) => {
  const said = `File size of ./a is 700 (1 blocks of 512 bytes)
${HEADER}   0:        0..       0:        100..       100:      1:
   1:        1..       1:          0..        0:      1:             ${flags}
./a: 2 extents found
File size of ./b is 512 (1 blocks of 512 bytes)
${HEADER}   0:        0..       0:        200..       200:      1:             last,eof
./b: 1 extent found
`;
  const entries: [string, string][] = [
    ['a', 'f 644 700 11 1'],
    ['b', 'f 644 512 12 1'],
  ];
  expect(await list(entries, said)).toEqual({
    text: 'F 644 700 a\nE swap 998 2 0\nF 644 512 b\nE disk 200 1 0\n',
    ...{ start: '998', written: './a\nfiller-324\n' },
  });
});

test('where extents are no offsets on the disk, all content follows in the swap, the first file last', async () => {
  const entries: [string, string][] = [
    ['a', 'f 644 1024 11 2'],
    ['b', 'f 644 0 12 1'],
    ['c d', 'f 755 1 13 1'],
    ['e', 'f 644 1024 11 2'],
    ['f', 'f 644 3073 14 1'],
  ];
  expect(await list(entries, '', 'swap')).toEqual({
    text:
      'F 644 1024 a\nE swap 998 2 0\nF 644 0 b\nF 755 1 c d\nE swap 997 1 0\nH e\nT a\n' +
      'F 644 3073 f\nE swap 990 7 0\n',
    ...{ start: '990', written: './f\nfiller-511\n./c d\nfiller-511\n./a\n' },
  });
});

test('more than the swap holds: it begins before the swap does', async () => {
  const { start } = await list([['a', 'f 644 5000000000000 11 1']], '', 'swap');
  expect(Number(start)).toBe(UNITS - Math.ceil(5_000_000_000_000 / 512));
});

test.each([
  [
    'of another file',
    'File size of ./b is 5 (1 blocks of 512 bytes)\n./b: 0 extents found\n',
    'another file than a',
  ],
  ['of nothing', '', 'ended before a'],
  ['of an end alone', './a: 1 extent found\n', 'says nothing of a'],
])('filefrag speaks %s', async (_, said, why) => {
  await expect(list([['a', 'f 644 5 11 1']], said)).rejects.toThrow(why);
});
