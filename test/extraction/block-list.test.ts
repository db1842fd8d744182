import { describe, expect, it } from 'vitest';
import { readBlockList } from '../../extraction/block-list.ts';
import { SlipwayFailure } from '../../schema/failures.ts';

const MIB = 1024 * 1024;
const LIMITS = { bytes: 10 * MIB, files: 50, disk: 16 * MIB, swap: 8 * MIB };
const read = (list: string | Buffer, limits = {}) =>
  readBlockList(Buffer.from(list), { ...LIMITS, ...limits }, new AbortController().signal);

const deep = (depth: number) => Array.from({ length: depth }, (_, i) => i).map((i) => `${'d/'.repeat(i)}d`);
const folders = (depth: number) =>
  deep(depth)
    .map((name) => `D 755 ${name}\n`)
    .join('');
/** l1 -> l2 -> … -> target */
const chain = (links: number) =>
  `${Array.from({ length: links }, (_, i) => `S l${i}\nT l${i + 1}\n`).join('')}F 644 0 l${links}\n`;

describe('readBlockList takes', () => {
  const good: [string, string, object?][] = [
    ['nothing', ''],
    ['a file without extents', 'F 644 100 file\n'],
    ['a file in a folder', 'D 755 a\nF 644 600 a/b\nE disk 0 1 0\nE swap 5 1 1\n'],
    ['extents out of the order of the disk', 'F 644 2000 f\nE disk 9 1 0\nE disk 1 1 1\n'],
    ['extents that two files share', 'F 644 512 f\nE disk 9 1 0\nF 644 512 g\nE disk 9 1 0\n'],
    ['extents beyond the size', 'F 644 1 f\nE disk 9 8 0\nE disk 100 8 1000\n'],
    ['extents at the very end of the devices', 'F 644 512 f\nE disk 32767 1 0\nE swap 16383 1 1\n'],
    ['exactly as many bytes as the limit', `F 644 ${5 * MIB} f\nF 644 ${5 * MIB} g\n`],
    ['exactly as many entries as the limit', 'F 644 0 a\nD 755 b\nS c\nT a\nH d\nT a\n', { files: 4 }],
    ['odd names', 'F 644 0 with space, comma = "quotes" \\ -dash \'\n'],
    ['names in any script', 'F 644 0 日本語 ünï فارسی\u200cها 🚢\n'],
    ['a name that begins with a byte order mark', 'F 644 0 \ufefff\nF 644 0 f\n'],
    ['a part of 255 bytes', `F 644 0 ${'é'.repeat(127)}x\n`],
    ['names as deep as 32', folders(32)],
    ['names that objects have', 'D 755 __proto__\nF 644 0 __proto__/constructor\nF 644 0 toString\n'],
    ['a symlink to a file listed later', 'S a\nT b\nF 644 0 b\n'],
    ['a symlink to what is not listed', 'S a\nT b/c/../d\n'],
    ['a symlink up to the output folder itself', 'D 755 d\nS d/up\nT ..\n'],
    ['a symlink through another one', 'D 755 d\nS d/a\nT ../e/f\nS e\nT d\nF 644 0 d/f\n'],
    ['a symlink with empty and . parts', 'D 755 d\nS a\nT .//d/./\n'],
    ['symlinks through 40 others', chain(40)],
    ['a hard link to an earlier file', 'F 644 0 a\nD 755 d\nH d/b\nT a\n'],
    ['special bits, which are dropped', 'F 6755 0 a\nD 1777 b\n'],
  ];
  it.each(good)('%s', async (_, list, limits) => {
    await expect(read(list, limits)).resolves.toBeDefined();
  });

  it('what entries say', async () => {
    const { entries, bytes } = await read(
      'D 755 a\nF 4711 600 a/b\nE disk 0 2 0\nS s\nT a/../a/b\nH h\nT a/b\nF 644 0 \ufeffz\n',
    );
    const file = { kind: 'file', path: 'a/b', size: 600, executable: true, extents: { from: 23, to: 36 } };
    expect(bytes).toBe(600);
    expect(entries).toEqual([
      { kind: 'folder', path: 'a' },
      file,
      { kind: 'symlink', path: 's', target: 'a/../a/b' },
      { kind: 'hard link', path: 'h', file },
      expect.objectContaining({ path: '\ufeffz', executable: false }),
    ]);
  });
});

const bytes = (...parts: (string | number)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))));

describe('readBlockList refuses', () => {
  const bad: [what: string, list: string | Buffer, rule: RegExp, limits?: object][] = [
    ['a last line without end', 'F 644 0 a', /list of artifacts is cut off.*line 1 /],
    ['an empty line', '\n', /not of the format.*line 1 /],
    ['an unknown letter', 'D 755 a\nX 1 b\n', /list of artifacts .*not of the format.*line 2 /],
    ['a FIFO', 'D 755 a\nX p a/pipe\n', /artifact "a\/pipe" is neither a file, .*line 2 /],
    ['a lower-case letter', 'f 644 0 a\n', /not of the format/],
    ['an endless line', `F 644 0 ${'x'.repeat(9000)}\n`, /line of more than 8192 bytes/],
    ['a carriage return', 'F 644 0 a\r\n', /"a\\u{d}" .*control character/],
    ['a mode that is not octal', 'F 648 0 a\n', /not of the format/],
    ['a mode that is too long', 'F 100644 0 a\n', /not of the format/],
    ['a file without mode', 'F 0 a\n', /not of the format/],
    ['a negative size', 'F 644 -1 a\n', /not of the format/],
    ['a size with a sign', 'F 644 +1 a\n', /not of the format/],
    ['a size with a leading zero', 'F 644 01 a\n', /not of the format/],
    ['a hexadecimal size', 'F 644 0x10 a\n', /not of the format/],
    ['a size with an exponent', 'F 644 1e3 a\n', /not of the format/],
    ['a size beyond safe integers', 'F 644 9007199254740992 a\n', /too large/],
    ['a size of 30 digits', `F 644 ${'9'.repeat(30)} a\n`, /not of the format/],
    ['two spaces', 'F 644  0 a\n', /not of the format/],
    ['a tab', 'F\t644 0 a\n', /not of the format/],
    ['an extent of another device', 'F 644 1 a\nE cdrom 0 1 0\n', /not of the format/],
    ['an extent with something after it', 'F 644 1 a\nE disk 0 1 0 \n', /not of the format/],
    ['an extent with a fraction', 'F 644 1 a\nE disk 0.5 1 0\n', /not of the format/],
    ['an empty extent', 'F 644 1 a\nE disk 0 0 0\n', /empty extent/],
    ['an extent at an absurd place', 'F 644 1 a\nE disk 0 1 9007199254740991\n', /beyond all/],
    ['an extent before any file', 'E disk 0 1 0\n', /belongs to no file.*line 1 /],
    ['an extent of a folder', 'D 755 a\nE disk 0 1 0\n', /"a" has an extent that belongs to no file/],
    ['an extent after a link', 'F 644 1 a\nH b\nT a\nE disk 0 1 0\n', /belongs to no file/],
    [
      'an extent beyond the disk',
      'F 644 1 a\nE disk 32767 2 0\n',
      /"a" .*beyond the end of the disk.*line 2/,
    ],
    ['an extent beyond the swap', 'F 644 1 a\nE swap 16384 1 0\n', /beyond the end of the swap/],
    ['an extent in the broken last unit', 'F 644 1 a\nE disk 1 1 0\n', /beyond the end/, { disk: 1023 }],
    [
      'extents that overlap in a file',
      'F 644 1 a\nE disk 0 2 0\nE disk 9 1 1\n',
      /overlap or are out of order/,
    ],
    ['extents out of order', 'F 644 1 a\nE disk 0 1 5\nE disk 9 1 1\n', /overlap or are out of order/],
    ['a file over the limit', `F 644 ${10 * MIB + 1} big\n`, /"big" has 10485761 bytes.*exceed 10485760/],
    ['files over the limit together', `F 644 ${6 * MIB} a\nF 644 ${6 * MIB} b\n`, /"b" .*exceed/],
    [
      'one entry too many',
      'D 755 a\nD 755 b\nD 755 c\n',
      /"c" is one too many: the limit is 2/,
      { files: 2 },
    ],
    ['an empty name', 'F 644 0 \n', /its name is empty/],
    ['an absolute name', 'F 644 0 /etc/passwd\n', /"\/etc\/passwd" has an absolute name/],
    ['..', 'F 644 0 ..\n', /the part "\.\."/],
    ['.. on the way', 'D 755 a\nF 644 0 a/../b\n', /the part "\.\."/],
    ['.', 'D 755 .\n', /the part "\."/],
    ['a leading ./', 'F 644 0 ./a\n', /the part "\."/],
    ['an empty part', 'D 755 a\nF 644 0 a//b\n', /empty part/],
    ['a slash at the end', 'D 755 a/\n', /empty part/],
    ['bytes that are not UTF-8', bytes('F 644 0 a', 0xff, '\n'), /"a\\u{fffd}" .*not UTF-8/],
    ['UTF-8 that is longer than needed', bytes('F 644 0 ', 0xc0, 0xaf, '\n'), /not UTF-8/],
    ['a surrogate in UTF-8', bytes('F 644 0 ', 0xed, 0xa0, 0x80, '\n'), /not UTF-8/],
    ['NUL', 'F 644 0 a\0b\n', /"a\\u\{0\}b" .*control character/],
    ['an escape sequence', 'F 644 0 \x1b[31m\n', /"\\u{1b}\[31m" .*control character/],
    ['DEL', 'F 644 0 a\x7f\n', /control character/],
    ['a C1 control', 'F 644 0 a\u009b31m\n', /control character/],
    ['a line separator', 'F 644 0 a\u2028b\n', /control character/],
    ['a direction override', 'F 644 0 a\u202egpj.deb\n', /"a\\u{202e}gpj.deb" .*direction/],
    ['a direction isolate', 'F 644 0 a\u2066b\n', /direction/],
    ['a part of 256 bytes', `F 644 0 ${'é'.repeat(128)}\n`, /part of more than 255 bytes/],
    ['a name of 3073 bytes', `F 644 0 ${'a/'.repeat(1536)}b\n`, /more than 3072 bytes/],
    ['names deeper than 32', folders(33), /deeper than 32/],
    ['a name listed twice', 'F 644 0 a\nF 644 0 a\n', /"a" is listed twice.*line 2 /],
    ['a folder listed twice', 'D 755 a\nD 755 a\n', /listed twice/],
    ['a link where a file is', 'F 644 0 a\nS a\nT b\n', /listed twice/],
    ['a hard link to itself', 'F 644 0 a\nH a\nT a\n', /listed twice/],
    ['a file in no folder', 'F 644 0 a/b\n', /"a\/b" lies in what was not listed as a folder/],
    ['a folder after what is in it', 'F 644 0 a/b\nD 755 a\n', /not listed as a folder before/],
    ['a file below a file', 'F 644 0 a\nF 644 0 a/b\n', /not listed as a folder before/],
    ['a file below a symlink', 'D 755 d\nS a\nT d\nF 644 0 a/b\n', /not listed as a folder before/],
    ['a symlink without target', 'S a\nF 644 0 b\n', /"a" is a symlink without a target.*line 1 /],
    ['a symlink without target at the end', 'S a\n', /"a" is a symlink without a target.*line 1 /],
    ['a hard link without target', 'F 644 0 a\nH b\n', /"b" is a hard link without a target/],
    ['a target of a file', 'F 644 0 a\nT b\n', /"a" has a target but is no link/],
    ['a second target', 'S a\nT b\nT c\n', /has a target but is no link/],
    ['an empty target', 'S a\nT \n', /its target is empty/],
    ['an absolute target', 'S a\nT /etc/passwd\n', /"a" has an absolute target/],
    ['a target with control characters', 'S a\nT b\x1bc\n', /its target has a control character/],
    ['a target that is not UTF-8', bytes('S a\nT ', 0x80, '\n'), /its target is not UTF-8/],
    ['a target that is too long', `S a\nT ${'b/'.repeat(1600)}\n`, /its target has more than 3072 bytes/],
    ['a target with a part that is too long', `S a\nT ${'b'.repeat(256)}\n`, /part of more than 255 bytes/],
    ['a symlink out of the folder', 'S a\nT ..\n', /"a" is a symlink that leads out.*line 1 /],
    ['one that comes back in', 'S a\nT ../out/a\n', /leads out/],
    ['one that leaves from deep', 'D 755 d\nS d/a\nT b/../../..\n', /leads out/],
    [
      'one that leaves through another',
      'D 755 d\nS d/up\nT ..\nS a\nT d/up/..\n',
      /"a" is a symlink that leads out/,
    ],
    [
      'one that leaves through a later one',
      'S a\nT b/../..\nD 755 d\nD 755 d/e\nS b\nT d\n',
      /"a" .*leads out/,
    ],
    ['one that leads to itself', 'S a\nT a\n', /leads to itself/],
    ['two that lead to each other', 'S a\nT b\nS b\nT a\n', /leads to itself/],
    ['symlinks through more than 40', chain(41), /more than 40 others/],
    ['a chain that would exhaust the stack', chain(30_000), /more than 40 others/, { files: 40_000 }],
    ['a hard link to nothing', 'H b\nT a\n', /"b" is a hard link to what was not listed as a file/],
    ['a hard link to a later file', 'H b\nT a\nF 644 0 a\n', /not listed as a file before/],
    ['a hard link to a folder', 'D 755 a\nH b\nT a\n', /not listed as a file before/],
    ['a hard link to a symlink', 'F 644 0 f\nS a\nT f\nH b\nT a\n', /not listed as a file before/],
    ['a hard link to a hard link', 'F 644 0 f\nH a\nT f\nH b\nT a\n', /not listed as a file before/],
    ['a hard link outside', 'F 644 0 f\nH b\nT ../f\n', /the part "\.\."/],
    ['more hard links than a file can have', hardLinks(65_000), /one hard link too many/, { files: 70_000 }],
  ];
  it.each(bad)('%s', async (_, list, rule, limits) => {
    const failure = await read(list, limits).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SlipwayFailure);
    expect(failure).toMatchObject({ type: 'ArtifactsRejected', message: expect.stringMatching(rule) });
  });

  it('with names escaped and cut', async () => {
    const name = `\x1b"\\${'n'.repeat(300)}`;
    const failure = await read(`F 644 0 ${name}\n`).catch((error: unknown) => error);
    const shown = `"\\u{1b}\\"\\\\${'n'.repeat(117)}…"`;
    expect(failure).toMatchObject({ message: expect.stringContaining(shown), more: { items: [shown] } });
  });

  it('to go on after an abort', async () => {
    const reason = new Error('told to stop');
    const many = Buffer.from(Array.from({ length: 5000 }, (_, i) => `D 755 ${i}\n`).join(''));
    const reading = readBlockList(many, { ...LIMITS, files: 10_000 }, AbortSignal.abort(reason));
    await expect(reading).rejects.toBe(reason);
  });
});

function hardLinks(count: number): string {
  return `F 644 0 f\n${Array.from({ length: count }, (_, i) => `H h${i}\nT f\n`).join('')}`;
}
