import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogCopier, lastLines } from '../../activities/log-copier.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import type { Store } from '../../stores/store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const STREAM = 'logs/a-run';
const always = () => true;

async function storeAndFile(): Promise<{ store: Store; file: string }> {
  const directory = await temporaryFolder();
  return {
    store: createDirectoryStore({ directory }),
    file: join(await temporaryFolder(), 'log'),
  };
}

async function live(store: Store): Promise<string> {
  return Buffer.from(await store.readLog(STREAM, 0)).toString();
}

test('copies a growing log behind what the stream had, and another copier goes on where the first was', async () => {
  const { store, file } = await storeAndFile();
  await store.appendLog(STREAM, 0, Buffer.from('install\n'));
  const first = new LogCopier(store, STREAM, file, 8);
  expect(await first.copy(always)).toBe(true);
  await writeFile(file, 'one\n');
  await first.copy(always);
  await appendFile(file, 'two\n');
  await new LogCopier(store, STREAM, file, 8).copy(always);
  expect(await live(store)).toBe('install\none\ntwo\n');
  // The first thaws: what it appends is there already.
  await first.copy(always);
  expect(await live(store)).toBe('install\none\ntwo\n');
});

test('appends nothing where it may not go on, and says that it is not done', async () => {
  const { store, file } = await storeAndFile();
  await writeFile(file, 'one\n');
  expect(await new LogCopier(store, STREAM, file, 0).copy(() => false)).toBe(false);
  expect(await store.logSize(STREAM)).toBe(0);
});

test('copies more than one piece', async () => {
  const { store, file } = await storeAndFile();
  const bytes = Buffer.alloc(1_000_003, 'slipway\n');
  await writeFile(file, bytes);
  await new LogCopier(store, STREAM, file, 0).copy(always);
  expect(await store.logSize(STREAM)).toBe(bytes.length);
});

test('the last lines are at most 50 and 8 KiB, whole lines, and none where there is no log', async () => {
  const { file } = await storeAndFile();
  expect(await lastLines(file)).toEqual([]);
  await writeFile(file, '');
  expect(await lastLines(file)).toEqual([]);
  await writeFile(file, `${Array.from({ length: 60 }, (_, index) => `line ${index}`).join('\n')}\n`);
  const lines = await lastLines(file);
  expect(lines).toHaveLength(50);
  expect(lines.at(-1)).toBe('line 59');
  await writeFile(file, `${'x'.repeat(5000)}\n${'y'.repeat(5000)}\nend`);
  expect(await lastLines(file)).toEqual(['y'.repeat(5000), 'end']);
});
