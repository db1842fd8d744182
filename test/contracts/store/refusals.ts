import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { ABSENT, digestOf, file, MIB, type StoreUnderTest, string, text } from './under-test.ts';

const BAD_NAMES = [
  '',
  '/',
  'a/',
  '/a',
  'a//b',
  '.',
  '..',
  'a/../b',
  'a/./b',
  'a b',
  'a\n',
  'a\0',
  'ä',
  'a\\b',
  'a@b',
  'a:b',
  '*',
];

export function refusals(under: () => StoreUnderTest): void {
  test('a file that has not the digest is refused, and nothing is left', async () => {
    const { store } = under();
    const path = await file(text('changed'));
    await expect(store.putFile(path, ABSENT)).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(new RegExp(`${path}.*${digestOf(text('changed'))}.*${ABSENT}`)),
    });
    expect(await store.blobSize(ABSENT)).toBeUndefined();
    expect(await store.blobSize(digestOf(text('changed')))).toBeUndefined();
  });

  test('a file that cannot be read is the fault of the file', async () => {
    const path = join(await temporaryFolder(), 'none');
    await expect(under().store.putFile(path, ABSENT)).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringContaining(path),
    });
  });

  test('a put that is stopped leaves nothing and says why it stopped', async () => {
    const bytes = randomBytes(3 * MIB);
    const path = await file(bytes);
    const reason = new Error('cancelled');
    const stopped = under().store.putFile(path, digestOf(bytes), AbortSignal.abort(reason));
    await expect(stopped).rejects.toBe(reason);
    expect(await under().store.blobSize(digestOf(bytes))).toBeUndefined();
  });

  test('a damaged blob is found when it is read whole', async () => {
    const { store } = under();
    const digest = await store.putBytes(text('precious'));
    await under().damage(digest);
    await expect(store.readBytes(digest)).rejects.toMatchObject({
      type: 'StoreUnavailable',
      message: expect.stringContaining(digest),
    });
  });

  test('a blob over the limit is not read into memory', async () => {
    const { store } = under();
    const digest = await store.putBytes(text('12345'));
    await expect(store.readBytes(digest, 4)).rejects.toThrow(RangeError);
    expect(string(await store.readBytes(digest, 5))).toBe('12345');
  });

  test.each(['', 'abc', '../../../etc/passwd', 'A'.repeat(64), `${ABSENT}\n`])(
    '%j is no digest',
    async (digest) => {
      const { store } = under();
      const path = await file(text('x'));
      const invalid = { type: 'InvalidRequest' };
      await expect(store.putFile(path, digest)).rejects.toMatchObject(invalid);
      await expect(store.blobSize(digest)).rejects.toMatchObject(invalid);
      await expect(store.readBlob(digest)).rejects.toMatchObject(invalid);
      await expect(store.readBytes(digest)).rejects.toMatchObject(invalid);
    },
  );
}

export function names(under: () => StoreUnderTest): void {
  test.each(BAD_NAMES)('%j is no name', async (name) => {
    const { store } = under();
    const invalid = { type: 'InvalidRequest' };
    await expect(store.publish(name, text('x'))).rejects.toMatchObject(invalid);
    await expect(store.readRecord(name)).rejects.toMatchObject(invalid);
    await expect(store.appendLog(name, 0, text('x'))).rejects.toMatchObject(invalid);
    await expect(store.logSize(name)).rejects.toMatchObject(invalid);
    await expect(store.readLog(name, 0)).rejects.toMatchObject(invalid);
    await expect(store.deleteLog(name)).rejects.toMatchObject(invalid);
  });

  test('all characters and lengths that a name may have', async () => {
    const { store } = under();
    const names = [
      'A-z0.9_+~',
      '.hidden',
      '...',
      'x'.repeat(200),
      `${'y'.repeat(200)}/`.repeat(4).slice(0, -1),
    ];
    for (const name of names) {
      await store.publish(name, text(name));
      expect(string(await store.readRecord(name))).toBe(name);
      await store.appendLog(name, 0, text(name));
      expect(string(await store.readLog(name, 0))).toBe(name);
    }
    await expect(store.publish('x'.repeat(201), text(''))).rejects.toMatchObject({ type: 'InvalidRequest' });
    await expect(store.publish(`${'x/'.repeat(450)}x`, text(''))).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
  });
}
