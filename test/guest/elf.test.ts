import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { elfNeeds } from '../../guest/elf.ts';
import { run } from '../../host/run.ts';

test.each(['/bin/ls', '/usr/bin/find', '/usr/bin/nsenter', '/usr/sbin/filefrag'])(
  'what %s loads is what the loader says',
  async (program) => {
    const { interpreter, libraries } = elfNeeds(await readFile(program));
    const { stdout } = await run(['ldd', program]);
    expect(stdout).toContain(interpreter);
    for (const library of libraries) expect(stdout).toContain(library);
    expect(libraries).toContain('libc.so.6');
  },
);

test('a static program and a library', async () => {
  expect(elfNeeds(await readFile('/bin/busybox'))).toEqual({ libraries: [] });
  const loader = elfNeeds(await readFile('/bin/ls')).interpreter ?? '';
  expect(elfNeeds(await readFile(loader)).interpreter).toBeUndefined();
});

test('what is no 64-bit program, or cut short, is refused', async () => {
  const ls = await readFile('/bin/ls');
  const with32Bits = Buffer.from(ls);
  with32Bits[4] = 1;
  for (const bytes of [Buffer.from('#!/bin/sh\n'), Buffer.alloc(0), with32Bits, ls.subarray(0, 100)]) {
    expect(() => elfNeeds(bytes)).toThrow(RangeError);
  }
});
