import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Store } from '../../../stores/store.ts';
import { digestOf, MIB, type StoreUnderTest, string, text } from './under-test.ts';

export function records(under: () => StoreUnderTest): void {
  test('a record is what was published first; who comes second gets that', async () => {
    const { store, reopen } = under();
    expect(await store.readRecord('results/build/a/1')).toBeUndefined();
    expect(await store.publish('results/build/a/1', text('one'))).toEqual({
      first: true,
      bytes: text('one'),
    });
    const second = await reopen().publish('results/build/a/1', text('two'));
    expect(second.first).toBe(false);
    expect(string(second.bytes)).toBe('one');
    expect(string(await reopen().readRecord('results/build/a/1'))).toBe('one');
  });

  test('of 20 that publish the same name at once exactly one is first, and all get its bytes', async () => {
    const { store, reopen } = under();
    const clients = [store, reopen(), reopen(), reopen()];
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (clients[index % 4] as Store).publish('race', text(`${index}`.repeat(50_000))),
      ),
    );
    const winners = all.flatMap((one, index) => (one.first ? [index] : []));
    expect(winners).toHaveLength(1);
    const digest = digestOf(text(`${winners[0]}`.repeat(50_000)));
    expect(new Set(all.map((one) => digestOf(one.bytes)))).toEqual(new Set([digest]));
    expect(digestOf((await store.readRecord('race')) as Uint8Array)).toBe(digest);
  });

  test('a reader finds no record or all of it', async () => {
    const { store, reopen } = under();
    const bytes = randomBytes(4 * MIB);
    const other = reopen();
    let writing = true;
    const published = store.publish('big', bytes).finally(() => {
      writing = false;
    });
    while (writing) expect([undefined, bytes.length]).toContain((await other.readRecord('big'))?.length);
    await published;
    expect(digestOf((await other.readRecord('big')) as Uint8Array)).toBe(digestOf(bytes));
  });

  test('an empty record is one', async () => {
    const { store } = under();
    expect((await store.publish('empty', text(''))).first).toBe(true);
    expect((await store.publish('empty', text('x'))).first).toBe(false);
    expect(await store.readRecord('empty')).toHaveLength(0);
  });
}

export function listings(under: () => StoreUnderTest): void {
  test('records under a prefix are listed in the order of their names, also one that is a prefix itself', async () => {
    const { store, reopen } = under();
    const names = [
      'r/a',
      'r/a-b',
      'r/a.b',
      'r/a/b',
      'r/a/b/c',
      'r/a/c',
      'r/a0',
      'r/b/z',
      'r/B',
      'ra/x',
      's/t',
    ];
    for (const name of names.toReversed()) await store.publish(name, text(name));
    expect(await all(reopen().listRecords('r/'))).toEqual(
      names.filter((name) => name.startsWith('r/')).sort(),
    );
    expect(await all(store.listRecords('r/a/'))).toEqual(['r/a/b', 'r/a/b/c', 'r/a/c']);
    expect(await all(store.listRecords('none/'))).toEqual([]);
    expect(string(await store.readRecord('r/a'))).toBe('r/a');
  });

  test.each(['', 'r', '/', '../', 'r//', 'r/../'])('%j is no prefix', async (prefix) => {
    await expect(all(under().store.listRecords(prefix))).rejects.toMatchObject({ type: 'InvalidRequest' });
  });
}

async function all(names: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const name of names) found.push(name);
  return found;
}
