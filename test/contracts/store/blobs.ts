import { createHash, randomBytes } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { BlobMissing } from '../../../stores/store.ts';
import { ABSENT, digestOf, file, MIB, type StoreUnderTest, string, text } from './under-test.ts';

export function blobs(under: () => StoreUnderTest): void {
  test.each([0, 1, 3 * MIB + 17])(
    'a file of %i bytes comes back as it was, to another client too',
    async (size) => {
      const bytes = randomBytes(size);
      const path = await file(bytes);
      await under().store.putFile(path, digestOf(bytes));
      const other = under().reopen();
      expect(await other.blobSize(digestOf(bytes))).toBe(size);
      expect(digestOf(await other.readBytes(digestOf(bytes)))).toBe(digestOf(bytes));
      expect(digestOf(await buffer(await other.readBlob(digestOf(bytes))))).toBe(digestOf(bytes));
    },
  );

  test.each(['known', 'unknown'])(
    'a file that is given away, its digest %s, comes back as it was',
    async (which) => {
      const bytes = randomBytes(MIB + 1);
      const [path, digest] = [await file(bytes), digestOf(bytes)];
      const given = { digestOf: () => (which === 'known' ? digest : undefined) };
      await under().store.putFile(path, digest, undefined, given);
      await unlink(path);
      expect(digestOf(await under().reopen().readBytes(digest))).toBe(digest);
    },
  );

  test('bytes are put under their digest', async () => {
    const digest = await under().store.putBytes(text('lock'));
    expect(digest).toBe(digestOf(text('lock')));
    expect(string(await under().reopen().readBytes(digest))).toBe('lock');
  });

  test('putting again changes nothing, one after the other or at the same time', async () => {
    const bytes = randomBytes(MIB);
    const path = await file(bytes);
    const { store, reopen } = under();
    const clients = [store, store, reopen(), reopen()];
    await Promise.all(clients.map((client) => client.putFile(path, digestOf(bytes))));
    await Promise.all(clients.map((client) => client.putBytes(bytes)));
    await store.putFile(path, digestOf(bytes));
    expect(digestOf(await store.readBytes(digestOf(bytes)))).toBe(digestOf(bytes));
  });

  test('an absent blob has no size and cannot be read', async () => {
    const { store } = under();
    expect(await store.blobSize(ABSENT)).toBeUndefined();
    await expect(store.readBlob(ABSENT)).rejects.toThrow(BlobMissing);
    await expect(store.readBytes(ABSENT)).rejects.toThrow(BlobMissing);
  });
}

export function bigBlobs(under: () => StoreUnderTest): void {
  test('200 MiB go in and out in flat memory', { timeout: 120_000 }, async () => {
    const size = 200 * MIB;
    const path = await file(text(''));
    const handle = await open(path, 'r+');
    await handle.truncate(size);
    await handle.write('end', size - 3);
    await handle.close();
    const digest = await digestOfFile(path);
    const { store } = under();
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 10);
    try {
      await store.putFile(path, digest);
      const hash = createHash('sha256');
      for await (const chunk of await store.readBlob(digest)) hash.update(chunk);
      expect(hash.digest('hex')).toBe(digest);
    } finally {
      clearInterval(watch);
    }
    expect(await store.blobSize(digest)).toBe(size);
    expect((peak - before) / MIB).toBeLessThan(100);
  });
}

async function digestOfFile(path: string): Promise<string> {
  const handle = await open(path);
  const hash = createHash('sha256');
  for await (const chunk of handle.createReadStream({ highWaterMark: MIB })) hash.update(chunk);
  return hash.digest('hex');
}
