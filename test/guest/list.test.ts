import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const script = (name: string) => fileURLToPath(new URL(`../../guest/scripts/${name}`, import.meta.url));

/** Runs list.awk with the entries (name, "type mode size inode links", target) and what filefrag said. */
async function list(entries: [string, string, string?][], filefrag: string): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'in'));
  const file = join(folder, 'in/entries');
  await writeFile(
    file,
    entries.map(([name, of, target = '']) => `${name}\u0001${of}\u0001${target}\n`).join(''),
  );
  return (await run(['busybox', 'awk', '-f', script('list.awk'), file], { input: filefrag })).stdout;
}

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
  ).toBe('F 644 5000 a\nE disk 274432 8 0\nE disk 300008 8 40\nF 600 12 b\nE disk 16 8 0\n');
});

test('content that has no place on the disk is no guess', async () => {
  const said = `File size of ./a is 5 (1 blocks of 512 bytes)
${HEADER}   0:        0..       0:         0..        0:      1:             last,not_aligned,inline,eof
./a: 1 extent found
`;
  await expect(list([['a', 'f 644 5 11 1']], said)).rejects.toThrow(
    'content of a is not in blocks: last,not_aligned,inline,eof',
  );
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
