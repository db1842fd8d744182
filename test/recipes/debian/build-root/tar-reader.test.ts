import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../../host/run.ts';
import {
  headerSum,
  TAR_BLOCK,
  TAR_END,
  tarHeader,
} from '../../../../recipes/debian/build-root/tar-format.ts';
import { type TarMember, TarReader } from '../../../../recipes/debian/build-root/tar-reader.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const LONG = 'a-name-of-which-there-is-more-than-fits-'.repeat(5);

/** A real archive of GNU tar, as dpkg-deb makes them, with all that packages have. */
async function archive(): Promise<Buffer> {
  const folder = await temporaryFolder();
  const root = join(folder, 'root');
  await mkdir(join(root, LONG), { recursive: true });
  await writeFile(join(root, 'empty'), '');
  await writeFile(join(root, 'one'), 'x'.repeat(TAR_BLOCK));
  await writeFile(join(root, LONG, LONG), 'y'.repeat(70_000));
  await symlink(`${LONG}/${LONG}`, join(root, 'link'));
  await run(['ln', join(root, LONG, LONG), join(root, 'zz-hard')]);
  await run(['mkfifo', join(root, 'pipe')]);
  await run(['tar', '-c', '--format=gnu', '--sort=name', '-f', join(folder, 'tar'), '-C', root, '.']);
  return readFile(join(folder, 'tar'));
}

/** Reads in pieces of so many bytes; returns the members with their content, and what was passed on. */
function readAll(bytes: Buffer, size: number, pass: (member: TarMember) => boolean = () => true) {
  const members: { archive: number; name: string; kind: string; target: string; content: string }[] = [];
  const reader = new TarReader((member, of) => {
    const { name, kind, target } = member;
    const seen = { archive: of, name, kind, target, content: '' };
    members.push(seen);
    return {
      pass: pass(member),
      content: (piece) => {
        seen.content += piece.toString('latin1');
      },
    };
  });
  const passed: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    passed.push(
      ...reader.read(Buffer.from(bytes.subarray(at, at + size))).map((piece) => Buffer.from(piece)),
    );
  }
  reader.end();
  return { members, passed: Buffer.concat(passed) };
}

test.each([1 << 20, 65_536, 1000, 512, 511, 7])('reads the same in pieces of %d bytes', async (size) => {
  const bytes = await archive();
  const { members, passed } = readAll(bytes, size);
  const inner = `./${LONG}/${LONG}`;
  expect(members).toEqual([
    { archive: 0, name: './', kind: 'folder', target: '', content: '' },
    { archive: 0, name: `./${LONG}/`, kind: 'folder', target: '', content: '' },
    { archive: 0, name: inner, kind: 'file', target: '', content: 'y'.repeat(70_000) },
    { archive: 0, name: './empty', kind: 'file', target: '', content: '' },
    { archive: 0, name: './link', kind: 'link', target: `${LONG}/${LONG}`, content: '' },
    { archive: 0, name: './one', kind: 'file', target: '', content: 'x'.repeat(512) },
    { archive: 0, name: './pipe', kind: 'pipe', target: '', content: '' },
    { archive: 0, name: './zz-hard', kind: 'hard link', target: inner, content: '' },
  ]);
  // What is passed on is the archive without its end.
  expect(passed.equals(bytes.subarray(0, passed.length))).toBe(true);
  expect(bytes.subarray(passed.length).every((byte) => byte === 0)).toBe(true);
});

test.each([1 << 20, 1000, 7])(
  'what is not wanted is not passed on, its long name neither (pieces of %d)',
  async (size) => {
    const { passed } = readAll(await archive(), size, ({ kind }) => kind === 'link');
    const { members } = readAll(Buffer.concat([passed, TAR_END]), size);
    expect(members.map(({ name }) => name)).toEqual(['./link']);
  },
);

test('archives that follow each other are counted', async () => {
  const bytes = await archive();
  const { members } = readAll(Buffer.concat([bytes, bytes]), 1000);
  expect(members.map((member) => member.archive)).toEqual([...Array(8).fill(0), ...Array(8).fill(1)]);
});

/** A header with some bytes changed, its sum right again. */
function header(change: (block: Buffer) => unknown): Buffer {
  const file = { name: './x', type: '0', mode: 0o644, uid: 0, gid: 0, size: 0, modified: 1 } as const;
  const block = tarHeader(file);
  change(block);
  block.write(`${headerSum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

const REFUSED: [what: string, bytes: Buffer, why: string | RegExp][] = [
  ['no archive', Buffer.alloc(1024, 'x'), 'a number in it is none'],
  ['a header with a wrong sum', Buffer.from(header(() => {})).fill('9', 0, 1), 'there is no tar archive'],
  ['a character device', header((block) => block.write('3', 156)), 'a device, which no package may bring'],
  ['a block device', header((block) => block.write('4', 156)), 'a device, which no package may bring'],
  ['a pax header', header((block) => block.write('x', 156)), 'of the type "x", which dpkg does not take'],
  ['a sparse file', header((block) => block.write('S', 156)), 'of the type "S", which dpkg does not take'],
  [
    'a folder with content',
    header((block) => block.write('5', 156) + block.write('1', 134)),
    'a folder with content',
  ],
  [
    'a hard link with content',
    header((block) => block.write('1', 156) + block.write('1', 134)),
    'with content',
  ],
  ['a file named as a folder', header((block) => block.write('./x/', 0)), 'is no name of a file'],
  ['no name', header((block) => block.fill(0, 0, 100)), 'is no name of a file'],
  ['a size that is none', header((block) => block.write('9', 124)), 'a number in it is none'],
  ['a size beyond all', header((block) => block.fill(0xff, 124, 136).fill(0x80, 124, 125)), 'too large'],
  ['a negative size', header((block) => block.fill(0xff, 124, 136)), 'a number in it is none'],
  ['an endless name', header((block) => block.write('L', 156) + block.write('7', 125)), 'too long'],
  [
    'a name of nothing',
    Buffer.concat([tarHeader({ ...named(150), name: 'x'.repeat(150) }).subarray(0, 1024)]),
    'belongs to nothing',
  ],
];

function named(size: number) {
  return { type: '0', mode: 0o644, uid: 0, gid: 0, size, modified: 1 } as const;
}

test.each(REFUSED)('%s is refused', (_, bytes, why) => {
  expect(() => readAll(Buffer.concat([bytes, TAR_END]), 512)).toThrow(SyntaxError);
  expect(() => readAll(Buffer.concat([bytes, TAR_END]), 512)).toThrow(why);
});

test.each([
  ['without an end', (bytes: Buffer) => bytes.subarray(0, TAR_BLOCK)],
  ['in a content', (bytes: Buffer) => bytes.subarray(0, 20_000)],
  ['in a header', (bytes: Buffer) => bytes.subarray(0, TAR_BLOCK + 100)],
])('an archive that is cut off %s is refused', async (_, cut) => {
  const bytes = cut(await archive());
  expect(() => readAll(bytes, 1 << 20)).toThrow('an archive in it is cut off');
});
