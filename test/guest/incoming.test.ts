import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { incomingBytes, writeIncoming } from '../../guest/incoming.ts';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const LONG = `${'long-'.repeat(40)}.tar.xz`;
const SIZES = { [LONG]: 3_000_000, 'hello_1.0.dsc': 511, 'empty file': 0 };

async function swapWith(sizes: Readonly<Record<string, number>>) {
  const folder = await temporaryFolder();
  const files = Object.keys(sizes).map((name, index) => ({ name, path: join(folder, `${index}`) }));
  for (const { name, path } of files)
    await writeFile(path, Buffer.alloc(sizes[name] ?? 0, name), { mode: 0o400 });
  const swap = join(folder, 'swap');
  const bytes = incomingBytes(Object.values(sizes));
  await writeFile(swap, Buffer.alloc(4096, 'header'));
  await truncate(swap, bytes);
  const aside = join(folder, 'aside');
  const { signal } = new AbortController();
  return {
    ...{ folder, swap, bytes, aside },
    write: () => writeIncoming({ folder: '/build/work', owner: 1000, files }, swap, aside, signal),
  };
}

/** What a guest does, with the same program. */
async function received(swap: string, bytes: number, into: string): Promise<string[]> {
  await mkdir(into);
  const script = 'dd if="$1" bs=4096 skip=1 count="$2" status=none | busybox tar -x -f - -C "$3"';
  await run(['sh', '-c', script, 'sh', swap, `${bytes / 4096 - 1}`, into]);
  const { stdout } = await run(['find', into, '-mindepth', '1', '-printf', '%P %m %U %G %s %T@\n']);
  return stdout.trimEnd().split('\n').sort();
}

test('files arrive as they are, for the builder, with a time that tells nothing; the header stays', async () => {
  const { swap, write, folder, aside, bytes } = await swapWith(SIZES);
  expect(await write()).toBe(bytes);
  expect(await received(swap, bytes, join(folder, 'into'))).toEqual(
    Object.entries(SIZES)
      .map(([name, size]) => `${name} 644 1000 1000 ${size} 946684800.0000000000`)
      .sort(),
  );
  expect(await readFile(join(folder, 'into', 'hello_1.0.dsc'), 'latin1')).toBe(
    'hello_1.0.dsc'.repeat(40).slice(0, 511),
  );
  expect((await readFile(swap)).subarray(0, 4096)).toEqual(Buffer.alloc(4096, 'header'));
  expect((await stat(swap)).size).toBe(bytes);
  await expect(stat(aside)).rejects.toThrow('ENOENT');
});

test('again, over what a killed attempt has left', async () => {
  const { swap, write, folder, aside, bytes } = await swapWith({ a: 5 });
  await mkdir(aside);
  await writeFile(join(aside, 'left'), '');
  await write();
  await write();
  expect(await received(swap, bytes, join(folder, 'into'))).toHaveLength(1);
});

test.each([[[0]], [[1_000_000]], [Array.from({ length: 300 }, () => 700)]])(
  'no swap is outgrown: %j',
  async (sizes) => {
    const { swap, write, bytes } = await swapWith(
      Object.fromEntries(sizes.map((size, index) => [`${index}-${'n'.repeat(240)}`, size])),
    );
    await write();
    expect((await stat(swap)).size).toBe(bytes);
  },
);

test('a file that is gone is an error that names it', async () => {
  const { swap, aside } = await swapWith({ a: 1 });
  const gone = { folder: '/x', owner: 0, files: [{ name: 'gone', path: '/nonexistent/file' }] };
  await expect(writeIncoming(gone, swap, aside, new AbortController().signal)).rejects.toThrow(
    '/nonexistent/file',
  );
});
