import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ControlReader, lastBeat, parseControlRecord } from '../../vm/control-records.ts';
import { scratch } from '../support/scratch.ts';

const BEAT = 'beat mem=51234 disk=9120 diskfree=4012340 swap=0 rr=120 wr=14 rs=9000 ws=220 at=4.10';

describe('control records', () => {
  it.each([
    ['hello version=1 nonce=ab12 at=1.92', { word: 'hello', version: 1, nonce: 'ab12', at: 1.92 }],
    ['begin command=0 at=2.10', { word: 'begin', command: 0, at: 2.1 }],
    [BEAT, { word: 'beat', mem: 51234, disk: 9120, swap: 0, rr: 120, wr: 14, rs: 9000, ws: 220, at: 4.1 }],
    ['end command=0 exit=137 at=9.70', { word: 'end', command: 0, exit: 137, at: 9.7 }],
    ['done result=disk-full at=10', { word: 'done', result: 'disk-full', at: 10 }],
    ['done result=succeeded colour=blue at=10', { word: 'done', result: 'succeeded', at: 10 }],
  ])('%s', (line, record) => {
    expect(parseControlRecord(line)).toEqual(record);
  });

  it.each([
    'boo at=1',
    'hello version=1 at=1.92',
    'begin command=0',
    'begin command=-1 at=2',
    'begin command=1e3 at=2',
    'begin command=9999999999999999 at=2',
    'begin  command=0 at=2',
    'begin command=0 at=Infinity',
    `done result=${'x'.repeat(600)} at=1`,
    'constructor at=1',
    '__proto__ at=1',
    '',
  ])('ignores %j', (line) => {
    expect(parseControlRecord(line)).toBeUndefined();
  });

  it('never throws, whatever a guest writes', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (line) => void parseControlRecord(line)));
    fc.assert(fc.property(fc.string(), (line) => void parseControlRecord(`beat ${line} at=1`)));
  });

  it('reads what was added, also where a line comes in pieces', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'control');
    writeFileSync(path, 'begin command=0 at=1\nbegin comm');
    const reader = new ControlReader(path);
    expect(reader.read()).toEqual([{ word: 'begin', command: 0, at: 1 }]);
    appendFileSync(path, 'and=1 at=2\n');
    expect(reader.read()).toEqual([{ word: 'begin', command: 1, at: 2 }]);
    expect(reader.read()).toEqual([]);
  });

  it('goes on behind a line without end, and keeps none of it', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'control');
    writeFileSync(path, 'x'.repeat(200_000));
    const reader = new ControlReader(path);
    expect(reader.read()).toEqual([]);
    appendFileSync(path, 'begin command=5 at=1\nbegin command=1 at=2\n');
    expect(reader.read()).toEqual([{ word: 'begin', command: 1, at: 2 }]);
  });

  it('finds the last beat of a long file', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'control');
    writeFileSync(
      path,
      `${`${BEAT}\n`.repeat(500)}beat mem=7 disk=1 swap=2 rr=0 wr=0 rs=0 ws=0 at=9\nbeat mem=`,
    );
    expect(lastBeat(path)).toMatchObject({ mem: 7, at: 9 });
    writeFileSync(path, '');
    expect(lastBeat(path)).toBeUndefined();
  });
});
