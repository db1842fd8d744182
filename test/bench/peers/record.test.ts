import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RunRecord } from '../../../bench/peers/record.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { measured } from './measured.ts';

const HERE = { machine: '2 × a processor, 24 GiB', vmType: 'qemu' };

async function fileOf(...texts: string[]): Promise<string> {
  const file = join(await temporaryFolder(), 'record.jsonl');
  if (texts.length > 0) await writeFile(file, texts.join(''));
  return file;
}

const HEAD = `${JSON.stringify({ kind: 'head', version: 1, ...HERE })}\n`;
const [one, two] = [
  ...measured('hello', { chroot: { own: 13.2 } }),
  ...measured('hello', { sbuild: { before: 15, own: 15, after: 2 } }, 2),
] as const;
if (one === undefined || two === undefined) throw new TypeError('two measurements');
const extraction = { kind: 'extraction', ours: 700, dd: 800, at: one.at, load: 1 } as const;

describe('a record', () => {
  it('goes on where a run was cut off: each measurement was written when it was made', async () => {
    const file = await fileOf();
    const first = await RunRecord.open(file, HERE);
    await first.inputs('hello', 'abc');
    await first.add(one);
    await first.add(two);
    await first.add(extraction);
    const second = await RunRecord.open(file, HERE);
    await second.inputs('hello', 'abc');
    expect(second).toMatchObject({ measurements: [one, two], extraction });
    expect(second.has('hello', 'chroot', 1)).toBe(true);
    expect(second.has('hello', 'sbuild', 2)).toBe(true);
    for (const [source, peer, round] of [
      ['hello', 'chroot', 2],
      ['hello', 'obs-build', 1],
      ['other', 'chroot', 1],
    ] as const) {
      expect(second.has(source, peer, round)).toBe(false);
    }
    expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(5);
  });

  it('loses the line that was cut off, and nothing after it', async () => {
    const file = await fileOf(HEAD, `${JSON.stringify(one)}\n`, JSON.stringify(two).slice(0, 40));
    const cut = await RunRecord.open(file, HERE);
    expect(cut.measurements).toEqual([one]);
    await cut.add(two);
    expect((await RunRecord.open(file, HERE)).measurements).toEqual([one, two]);
  });

  it.each<[string, string[], RegExp]>([
    ['another machine', [HEAD.replace('2 ×', '64 ×')], /is of 64 × a processor.*Begin anew/],
    ['another VM type', [HEAD.replace('qemu', 'kvm')], /VM type kvm; this is .*VM type qemu/],
    ['another file', ['{"kind":"other"}\n'], /:1 is no line of a record/],
    ['no JSON', [HEAD, 'hello\n'], /:2 is no line of a record/],
    ['a wrong number', [HEAD, `${JSON.stringify({ ...one, own: -1 })}\n`], /:2 is no line/],
    ['an unknown peer', [HEAD, `${JSON.stringify({ ...one, peer: 'mock' })}\n`], /:2 is no line/],
    ['no beginning', [`${JSON.stringify(one)}\n`], /does not begin with what it is of/],
  ])('of %s is refused', async (_, texts, message) => {
    await expect(RunRecord.open(await fileOf(...texts), HERE)).rejects.toThrow(message);
  });

  it('of other inputs is refused: the repositories have changed', async () => {
    const file = await fileOf(HEAD);
    await (await RunRecord.open(file, HERE)).inputs('hello', 'abc');
    const later = await RunRecord.open(file, HERE);
    await expect(later.inputs('hello', 'def')).rejects.toThrow('repositories have changed');
    await later.inputs('other', 'def');
  });

  it('is said to be unreadable where it is', async () => {
    const file = await fileOf();
    await appendFile(file, '');
    await expect(RunRecord.open(join(file, 'below'), HERE)).rejects.toThrow('ENOTDIR');
  });
});
