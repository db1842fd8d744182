import { readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readHeader, zeroHeader } from '../../extraction/letter-box-header.ts';
import { writeLetterBox } from '../support/letter-box.ts';
import { scratch } from '../support/scratch.ts';
import { BOOT, NONCE, SUCCEEDED } from './guest-disk.ts';

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const GOOD = {
  magic: 'slipway-letter-box 1',
  phase: 'phase=build',
  nonce: `nonce=${NONCE}`,
  result: 'result=succeeded',
  command: 'command=1',
  exit: 'exit=0',
  length: 'length=9',
  sha256: `sha256=${EMPTY}`,
};

async function headerOf(text: string) {
  await using folder = await scratch();
  const swap = join(folder.path, 'swap');
  const bytes = Buffer.alloc(8192);
  bytes.write(text, 'latin1');
  await writeFile(swap, bytes);
  return await readHeader(swap, BOOT);
}

const lines = (changed: Partial<typeof GOOD> = {}) =>
  Object.values({ ...GOOD, ...changed })
    .map((line) => `${line}\n`)
    .join('');

describe('readHeader', () => {
  it('reads what a guest says', async () => {
    expect(await headerOf(lines())).toEqual({
      result: 'succeeded',
      command: 1,
      exitCode: 0,
      length: 9,
      sha256: EMPTY,
    });
  });

  it.each(['failed', 'disk-full', 'out-of-memory', 'names'])('reads the result %s', async (result) => {
    const exit = result === 'names' ? 0 : 137;
    const text = lines({ result: `result=${result}`, exit: `exit=${exit}`, length: 'length=0' });
    expect(await headerOf(text)).toMatchObject({ result, command: 1, exitCode: exit });
  });

  it('reads what the writer of the tests writes', async () => {
    await using folder = await scratch();
    const swap = join(folder.path, 'swap');
    await writeFile(swap, Buffer.alloc(8192));
    await writeLetterBox(swap, { ...SUCCEEDED, list: 'F 644 0 a\n' });
    expect(await readHeader(swap, BOOT)).toMatchObject({ result: 'succeeded', length: 10 });
  });

  const bad: [string, string][] = [
    ['zeros', ''],
    ['another format', lines({ magic: 'slipway-letter-box 2' })],
    ['another phase', lines({ phase: 'phase=install' })],
    ['another nonce', lines({ nonce: `nonce=${'0'.repeat(32)}` })],
    ['a nonce that is too short', lines({ nonce: 'nonce=0123' })],
    ['an unknown result', lines({ result: 'result=great' })],
    ['a failure without exit code', lines({ result: 'result=failed', length: 'length=0' })],
    ['a failure with a list', lines({ result: 'result=failed', exit: 'exit=1' })],
    ['a success with an exit code', lines({ exit: 'exit=1' })],
    ['an exit code over 255', lines({ result: 'result=failed', exit: 'exit=256', length: 'length=0' })],
    ['a negative length', lines({ length: 'length=-1' })],
    ['a length with a leading zero', lines({ length: 'length=09' })],
    ['a length that is too long', lines({ length: `length=${'9'.repeat(16)}` })],
    ['a digest in upper case', lines({ sha256: `sha256=${EMPTY.toUpperCase()}` })],
    ['a line too many', `${lines()}more=1\n`],
    ['a line too few', lines().replace('exit=0\n', '')],
    ['lines in another order', lines({ command: GOOD.exit, exit: GOOD.command })],
    ['no newline at the end', lines().trimEnd()],
    ['something after it', `${lines()}\0\0x`],
    ['carriage returns', lines().replaceAll('\n', '\r\n')],
    ['something before it', ` ${lines()}`],
  ];
  it.each(bad)('finds none in %s', async (_, text) => {
    expect(await headerOf(text)).toBeUndefined();
  });

  it('finds none in a swap that is cut off', async () => {
    await using folder = await scratch();
    const swap = join(folder.path, 'swap');
    await writeFile(swap, lines());
    for (const size of [0, 100, 512, 4095]) {
      await truncate(swap, size);
      expect(await readHeader(swap, BOOT)).toBeUndefined();
    }
  });
});

describe('zeroHeader', () => {
  it('zeroes 4096 bytes and leaves the rest and the size', async () => {
    await using folder = await scratch();
    const swap = join(folder.path, 'swap');
    await writeFile(swap, Buffer.alloc(10_000, 'x'));
    await zeroHeader(swap);
    expect(await readFile(swap)).toEqual(Buffer.concat([Buffer.alloc(4096), Buffer.alloc(5904, 'x')]));
  });

  it('does not write through a symlink', async () => {
    await using folder = await scratch();
    await writeFile(join(folder.path, 'other'), 'kept');
    await symlink('other', join(folder.path, 'swap'));
    await expect(zeroHeader(join(folder.path, 'swap'))).rejects.toThrow('ELOOP');
    expect(await readFile(join(folder.path, 'other'), 'utf8')).toBe('kept');
  });
});
