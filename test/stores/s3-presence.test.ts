import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createS3Store } from '../../stores/s3.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';

const FOREVER = new Date(8.64e15);
const CONTENT = Buffer.from('wanted');

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server?.[Symbol.asyncDispose]());

/** A store, and a client of it that reaches the server through a proxy of its own. */
async function scene() {
  const place = server.place();
  const proxy = await startS3Proxy(server.endpoint);
  const folder = join(server.folder, place.prefix);
  return {
    proxy,
    slow: createS3Store({ ...place, endpoint: proxy.endpoint }, { credentials: CREDENTIALS }),
    quick: createS3Store(place, { credentials: CREDENTIALS }),
    folder,
    /** What lies in a folder of the server. */
    objects: (name: string): Promise<string[]> => readdir(join(folder, name)).catch(() => []),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

describe.concurrent('a put that comes', () => {
  // The deleter's requests in their order: mark, its time, the two times of the blob, blob, touch, mark.
  const steps: [string, (line: string) => boolean][] = [
    ['before the mark', (line) => /^PUT .*doomed/.test(line)],
    ['before the time of the mark', (line) => /^HEAD .*doomed/.test(line)],
    ['before the judgement', (line) => /^HEAD .*touched/.test(line)],
    ['before the deletion', (line) => /^DELETE .*blobs/.test(line)],
    ['before the touch goes', (line) => /^DELETE .*touched/.test(line)],
    ['before the mark goes', (line) => /^DELETE .*doomed/.test(line)],
  ];

  test.each(steps)('%s of a deletion leaves the blob there', { timeout: 20_000 }, async (_, isStep) => {
    await using stage = await scene();
    const { slow, quick, proxy, objects } = stage;
    const digest = await quick.putBytes(CONTENT);
    await pause(2100);
    const decided = new Date();
    await pause(2100);
    await slow.blobSize(digest);
    // The deleter is held at this request until the putter is done, or has begun to wait for the deleter.
    const held: { put?: Promise<string> } = {};
    proxy.hold = async ({ method, url }) => {
      if (held.put !== undefined || !isStep(`${method} ${url}`)) return;
      held.put = quick.putBytes(CONTENT);
      await Promise.race([held.put, pause(1500)]);
    };
    await slow.deleteBlob(digest, decided);
    expect(held.put).toBeDefined();
    await held.put;
    expect(Buffer.from(await quick.readBytes(digest))).toEqual(CONTENT);
    expect(await objects('doomed')).toEqual([]);
  });
});

test('a deleter that died is waited for a while; half an hour later it is ignored and its mark goes', async () => {
  await using stage = await scene();
  const { quick, folder, objects } = stage;
  const digest = await quick.putBytes(CONTENT);
  await mkdir(join(folder, 'doomed'), { recursive: true });
  const mark = join(folder, 'doomed', `${digest}!dead`);
  await writeFile(mark, '');
  let isDone = false;
  const put = quick.putBytes(CONTENT).then(() => {
    isDone = true;
  });
  await pause(1000);
  expect(isDone).toBe(false);
  const longAgo = new Date(Date.now() - 1_900_000);
  await utimes(mark, longAgo, longAgo);
  await put;
  expect(await objects('doomed')).toEqual([]);
});

test("times are the server's: a host whose clock is wrong keeps what was put just now", async () => {
  await using stage = await scene();
  const { quick } = stage;
  const digest = await quick.putBytes(CONTENT);
  const real = Date.now;
  try {
    for (const wrong of [-120_000, 120_000]) {
      Date.now = () => real() + wrong;
      // As that host would say "a minute ago" and "in a minute".
      expect(await quick.deleteBlob(digest, new Date(Date.now() - 60_000))).toBe(false);
    }
    expect(await quick.deleteBlob(digest, new Date(Date.now() + 60_000))).toBe(true);
  } finally {
    Date.now = real;
  }
});

test('a forgotten blob leaves no object', async () => {
  await using stage = await scene();
  const { quick, objects } = stage;
  const digest = await quick.putBytes(CONTENT);
  await quick.deleteBlob(digest, FOREVER);
  for (const name of ['blobs', 'touched', 'doomed']) expect(await objects(name)).toEqual([]);
});

test('what was said of a blob that never came goes a day later', async () => {
  await using stage = await scene();
  const { quick, folder } = stage;
  const digest = await quick.putBytes(CONTENT);
  const orphans = ['0', 'f'].map((digit) => join(folder, 'touched', digit.repeat(2), digit.repeat(64)));
  for (const path of orphans) {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, '');
  }
  const longAgo = new Date(Date.now() - 25 * 3_600_000);
  await utimes(orphans[0] as string, longAgo, longAgo);
  const found: string[] = [];
  for await (const blob of quick.listBlobs()) found.push(blob.digest);
  expect(found).toEqual([digest]);
  await expect(stat(orphans[0] as string)).rejects.toThrow('ENOENT');
  await stat(orphans[1] as string);
});
