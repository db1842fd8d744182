import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BlobMissing, type StoredBlob } from '../../../stores/store.ts';
import { ABSENT, digestOf, file, type StoreUnderTest, string, text } from './under-test.ts';

/** After every put so far, and before none that follows a pause: stores may know times by whole seconds only. */
const LATER = 10_000;
const FOREVER = new Date(8.64e15);

/** What retention needs. */
export function forgetting(under: () => StoreUnderTest): void {
  test('all blobs are listed with size and the time of their put', async () => {
    const { store, reopen } = under();
    expect(await all(store.listBlobs())).toEqual([]);
    const began = Date.now();
    const digests = await Promise.all(['', 'a', 'bb'].map((each) => store.putBytes(text(each))));
    const found = await all(reopen().listBlobs());
    expect(found.map(({ digest }) => digest).sort()).toEqual([...digests].sort());
    expect(new Map(found.map(({ digest, size }) => [digest, size]))).toEqual(
      new Map(digests.map((digest, size) => [digest, size])),
    );
    for (const { putAt } of found) {
      expect(putAt.getTime()).toBeGreaterThan(began - 2000);
      expect(putAt.getTime()).toBeLessThan(Date.now() + 2000);
    }
  });

  test('a blob is forgotten, and no other; a second time too; and can be put again', async () => {
    const { store, reopen } = under();
    const [gone, kept] = [await store.putBytes(text('gone')), await store.putBytes(text('kept'))];
    for (const client of [store, reopen(), store]) expect(await client.deleteBlob(gone, FOREVER)).toBe(true);
    expect(await store.deleteBlob(ABSENT, FOREVER)).toBe(true);
    expect(await store.blobSize(gone)).toBeUndefined();
    await expect(store.readBlob(gone)).rejects.toThrow(BlobMissing);
    expect((await all(store.listBlobs())).map(({ digest }) => digest)).toEqual([kept]);
    expect(string(await store.readBytes(kept))).toBe('kept');
    await store.putFile(await file(text('gone')), gone);
    expect(string(await reopen().readBytes(gone))).toBe('gone');
  });

  test('a blob that was put after the given time stays', async () => {
    const { store } = under();
    const digest = await store.putBytes(text('new'));
    expect(await store.deleteBlob(digest, new Date(Date.now() - LATER))).toBe(false);
    expect(await store.blobSize(digest)).toBe(3);
    expect(await store.deleteBlob(digest, new Date(Date.now() + LATER))).toBe(true);
    expect(await store.blobSize(digest)).toBeUndefined();
  });

  test.each(['putFile', 'putBytes'] as const)('%s of what is there counts as put now', async (put) => {
    const { store, reopen } = under();
    const path = await file(text('again'));
    const digest = await store.putBytes(text('again'));
    const [first] = (await all(store.listBlobs())) as [StoredBlob];
    await pause(under().timeStep);
    const between = new Date();
    await pause(under().timeStep);
    if (put === 'putFile') await reopen().putFile(path, digest);
    else await reopen().putBytes(text('again'));
    const [second] = (await all(store.listBlobs())) as [StoredBlob];
    expect(second.putAt.getTime()).toBeGreaterThan(first.putAt.getTime());
    expect(await store.deleteBlob(digest, between)).toBe(false);
    expect(string(await store.readBytes(digest))).toBe('again');
  });

  test('who puts a blob while others forget it finds it afterwards', { timeout: 60_000 }, async () => {
    const { store, reopen } = under();
    const path = await file(text('contested'));
    const digest = digestOf(text('contested'));
    const clients = [reopen(), reopen()];
    await store.putBytes(text('contested'));
    for (let round = 0; round < 5; round += 1) {
      // Retention decided before the put began: a put that has returned is after that.
      const decided = new Date();
      await pause(under().timeStep);
      const deletions = clients.map(async (client) => {
        for (let time = 0; time < 3; time += 1) await client.deleteBlob(digest, decided);
      });
      await pause(round * 3);
      await store.putFile(path, digest);
      expect(string(await readUnlessAway(() => store.readBytes(digest)))).toBe('contested');
      await Promise.all(deletions);
      expect(string(await store.readBytes(digest))).toBe('contested');
    }
  });

  test('a record is forgotten, and can be published anew', async () => {
    const { store, reopen } = under();
    await store.publish('r/a', text('one'));
    await store.publish('r/a/b', text('kept'));
    for (const client of [store, reopen()]) await client.deleteRecord('r/a');
    expect(await store.readRecord('r/a')).toBeUndefined();
    expect(await all(store.listRecords('r/'))).toEqual(['r/a/b']);
    expect(await reopen().publish('r/a', text('two'))).toEqual({ first: true, bytes: text('two') });
  });

  test('all live logs are listed with their size and the time of the last append', async () => {
    const { store, reopen } = under();
    expect(await all(store.listLogs())).toEqual([]);
    const began = Date.now();
    await store.appendLog('a', 0, text('12'));
    await store.appendLog('a', 2, text('3'));
    await store.appendLog('a/b', 0, text('x'.repeat(400_000)));
    await store.appendLog('gone', 0, text('x'));
    await store.deleteLog('gone');
    const found = (await all(reopen().listLogs())).sort((a, b) => (a.stream < b.stream ? -1 : 1));
    expect(found.map(({ stream, bytes }) => [stream, bytes])).toEqual([
      ['a', 3],
      ['a/b', 400_000],
    ]);
    for (const { appendedAt } of found) {
      expect(appendedAt.getTime()).toBeGreaterThan(began - 2000);
      expect(appendedAt.getTime()).toBeLessThan(Date.now() + 2000);
    }
  });

  test('no digest and no name is forgotten', async () => {
    const { store } = under();
    const invalid = { type: 'InvalidRequest' };
    await expect(store.deleteBlob('../../etc', FOREVER)).rejects.toMatchObject(invalid);
    await expect(store.deleteRecord('../x')).rejects.toMatchObject(invalid);
  });
}

/** Between its removal and its judgement a blob may be away for a moment: readers come again. */
async function readUnlessAway(read: () => Promise<Uint8Array>): Promise<Uint8Array> {
  for (let time = 0; ; time += 1) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof BlobMissing) || time === 20) throw error;
      await pause(50);
    }
  }
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}
