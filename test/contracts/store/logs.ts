import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Store } from '../../../stores/store.ts';
import { digestOf, MIB, type StoreUnderTest, string, text } from './under-test.ts';

export function logs(under: () => StoreUnderTest): void {
  test('a log grows by its appends and is read from anywhere, by another client too', async () => {
    const { store, reopen } = under();
    const other = reopen();
    expect(await other.logSize('logs/1')).toBe(0);
    expect(await other.readLog('logs/1', 0)).toHaveLength(0);
    await store.appendLog('logs/1', 0, text('hello '));
    await store.appendLog('logs/1', 6, text('world'));
    expect(await other.logSize('logs/1')).toBe(11);
    expect(string(await other.readLog('logs/1', 0))).toBe('hello world');
    expect(string(await other.readLog('logs/1', 6))).toBe('world');
    expect(string(await other.readLog('logs/1', 3, 4))).toBe('lo w');
    expect(await other.readLog('logs/1', 11)).toHaveLength(0);
    expect(await other.readLog('logs/1', 99)).toHaveLength(0);
    expect(await other.readLog('logs/1', 0, 0)).toHaveLength(0);
  });

  test('repeated and overlapping appends add only what is new', async () => {
    const { store } = under();
    const log = 'abcdefghij';
    const parts = [
      [0, 4],
      [0, 4],
      [2, 6],
      [6, 6],
      [0, 3],
      [5, 10],
      [0, 10],
    ] as const;
    for (const [from, to] of parts) await store.appendLog('l', from, text(log.slice(from, to)));
    expect(string(await store.readLog('l', 0))).toBe(log);
  });

  test('what is there is kept', async () => {
    const { store } = under();
    await store.appendLog('l', 0, text('abc'));
    await store.appendLog('l', 0, text('XYZd'));
    await store.appendLog('l', 1, text('XY'));
    await store.appendLog('l', 4, text(''));
    expect(string(await store.readLog('l', 0))).toBe('abcd');
  });

  test('a hole is refused and changes nothing', async () => {
    const { store } = under();
    await expect(store.appendLog('l', 1, text('x'))).rejects.toThrow(RangeError);
    await store.appendLog('l', 0, text('abc'));
    await expect(store.appendLog('l', 4, text('x'))).rejects.toThrow(RangeError);
    await expect(store.appendLog('l', -1, text('x'))).rejects.toThrow(RangeError);
    await expect(store.readLog('l', -1)).rejects.toThrow(RangeError);
    await expect(store.readLog('l', 0.5)).rejects.toThrow(RangeError);
    expect(string(await store.readLog('l', 0))).toBe('abc');
  });

  test('two writers of the same log, as after a lost answer, make one log', async () => {
    const { store, reopen } = under();
    const log = randomBytes(200_000);
    await Promise.all(
      [store, reopen()].map((client, index) => appendAll(client, 'l', log, 7000 + 3000 * index)),
    );
    expect(digestOf(await store.readLog('l', 0))).toBe(digestOf(log));
  });

  test('a reader who follows gets each byte once', async () => {
    const { store, reopen } = under();
    const log = randomBytes(300_000);
    const appended = appendAll(store, 'l', log, 9999);
    const other = reopen();
    const read: Uint8Array[] = [];
    for (let at = 0; at < log.length; at += (read.at(-1) as Uint8Array).length) {
      read.push(await other.readLog('l', at, 20_000));
    }
    await appended;
    expect(digestOf(Buffer.concat(read))).toBe(digestOf(log));
  });

  test('more than the default limit is read in pieces', async () => {
    const { store } = under();
    await store.appendLog('l', 0, randomBytes(MIB + 5));
    expect(await store.readLog('l', 0)).toHaveLength(MIB);
    expect(await store.readLog('l', MIB)).toHaveLength(5);
  });

  test('a forgotten log is empty and can begin again; others stay', async () => {
    const { store } = under();
    await store.appendLog('l', 0, text('abc'));
    await store.appendLog('l/other', 0, text('kept'));
    await store.deleteLog('l');
    await store.deleteLog('l');
    expect(await store.logSize('l')).toBe(0);
    await expect(store.appendLog('l', 3, text('d'))).rejects.toThrow(RangeError);
    await store.appendLog('l', 0, text('x'));
    expect(string(await store.readLog('l', 0))).toBe('x');
    expect(string(await store.readLog('l/other', 0))).toBe('kept');
  });
}

async function appendAll(store: Store, stream: string, log: Uint8Array, step: number): Promise<void> {
  for (let at = 0; at < log.length; at += step)
    await store.appendLog(stream, at, log.subarray(at, at + step));
}
