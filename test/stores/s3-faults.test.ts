import { createHash, randomBytes } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createS3Store } from '../../stores/s3.ts';
import type { S3ConnectionOptions, S3Place } from '../../stores/s3-connection.ts';
import type { Store } from '../../stores/store.ts';
import { firstOnes, type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { BUCKET, CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MIB = 1024 * 1024;

let server: S3Server;
let proxy: S3Proxy;
let place: S3Place & { prefix: string };
beforeAll(async () => {
  server = await startS3Server();
  proxy = await startS3Proxy(server.endpoint);
});
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  proxy.fate = () => 'pass';
  proxy.requests.length = 0;
  place = { ...server.place(), endpoint: proxy.endpoint };
});

function open(options: S3ConnectionOptions = {}): Store {
  return createS3Store(place, { credentials: CREDENTIALS, ...options });
}

/** A store behind the proxy's back. */
function direct(): Store {
  return createS3Store({ ...place, endpoint: server.endpoint }, { credentials: CREDENTIALS });
}

async function bigFile(size = 20 * MIB + 5) {
  const bytes = randomBytes(size);
  const path = join(await temporaryFolder(), 'file');
  await writeFile(path, bytes);
  return { path, bytes, digest: sha256(bytes) };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function uploads(): Promise<string[]> {
  const { Uploads = [] } = await server.client.send(
    new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: place.prefix }),
  );
  return Uploads.map(({ UploadId = '' }) => UploadId);
}

const isPart = ({ method, url }: IncomingMessage) => method === 'PUT' && /partNumber=/.test(url ?? '');
const isCompletion = ({ method, url }: IncomingMessage) => method === 'POST' && /uploadId=/.test(url ?? '');
const isWriteOf = (key: string) => (request: IncomingMessage) =>
  request.method === 'PUT' && (request.url ?? '').includes(key);

describe('connections that are cut', () => {
  test('in the middle of parts: they are sent again', async () => {
    const { path, bytes, digest } = await bigFile();
    proxy.fate = firstOnes(3, isPart, 'cut');
    await open().putFile(path, digest);
    expect(sha256(await direct().readBytes(digest))).toBe(sha256(bytes));
    expect(proxy.requests.filter((line) => line.includes('partNumber='))).toHaveLength(3 + 3);
    expect(await uploads()).toEqual([]);
  });

  test('always: it ends as StoreUnavailable, nothing is visible, and no upload is left', async () => {
    const { path, digest } = await bigFile();
    proxy.fate = (request) => (isPart(request) ? 'cut' : 'pass');
    await expect(open({ attempts: 2 }).putFile(path, digest)).rejects.toMatchObject({
      type: 'StoreUnavailable',
      message: expect.stringContaining(`the store s3://${BUCKET}/${place.prefix} cannot be reached`),
    });
    expect(await direct().blobSize(digest)).toBeUndefined();
    expect(await uploads()).toEqual([]);
  });

  test('while a blob is read: the reading goes on where it ended', async () => {
    const { path, bytes, digest } = await bigFile();
    await direct().putFile(path, digest);
    proxy.fate = firstOnes(3, ({ method, url }) => method === 'GET' && /blobs/.test(url ?? ''), 'cut answer');
    expect(sha256(await buffer(await open().readBlob(digest)))).toBe(sha256(bytes));
    expect(sha256(await open().readBytes(digest))).toBe(sha256(bytes));
  });

  test('whoever stops reading a blob leaves no connection that flows', async () => {
    const { path, digest } = await bigFile();
    const store = open();
    await store.putFile(path, digest);
    for (let time = 0; time < 60; time += 1) (await store.readBlob(digest)).once('error', () => {}).destroy();
    expect(await store.blobSize(digest)).toBe(20 * MIB + 5);
  });
});

describe('done, but reported as failed', () => {
  test.each(['lose answer', 'keep answer'] as const)(
    'a publication is known as our own: %s',
    async (fate) => {
      const store = open({ stallMs: 500 });
      await store.publish('before', Buffer.from('x'));
      proxy.fate = firstOnes(1, isWriteOf('mine'), fate);
      expect(await store.publish('mine', Buffer.from('one'))).toEqual({
        first: true,
        bytes: Buffer.from('one'),
      });
      expect(proxy.requests.filter((line) => /^PUT .*mine/.test(line))).toHaveLength(2);
      // Of the same bytes too only one is first.
      expect((await direct().publish('mine', Buffer.from('one'))).first).toBe(false);
    },
  );

  test('a completed upload is one', async () => {
    const { path, bytes, digest } = await bigFile();
    proxy.fate = firstOnes(1, isCompletion, 'lose answer');
    await open().putFile(path, digest);
    expect(sha256(await direct().readBytes(digest))).toBe(sha256(bytes));
    expect(await uploads()).toEqual([]);
  });

  test.each(['lose answer', 'keep answer'] as const)('an append is not done twice: %s', async (fate) => {
    const store = open({ stallMs: 500 });
    await store.appendLog('l', 0, Buffer.from('one '));
    proxy.fate = firstOnes(1, isWriteOf('logs/'), fate);
    await store.appendLog('l', 4, Buffer.from('two '));
    await store.appendLog('l', 8, Buffer.from('three'));
    expect(Buffer.from(await direct().readLog('l', 0)).toString()).toBe('one two three');
  });

  test('a new store', async () => {
    proxy.fate = firstOnes(1, isWriteOf('slipway-store'), 'lose answer');
    expect(await open().putBytes(Buffer.from('x'))).toBe(sha256(Buffer.from('x')));
  });
});

test('a server that is away is StoreUnavailable in bounded time; back again the same client goes on', async () => {
  const own = await startS3Server();
  onTestFinished(() => own[Symbol.asyncDispose]());
  const store = createS3Store(own.place(), { credentials: CREDENTIALS, attempts: 3 });
  const { path, digest } = await bigFile();
  await store.publish('r', Buffer.from('one'));
  await store.appendLog('l', 0, Buffer.from('one '));
  await own.stop();
  const began = performance.now();
  const away = {
    type: 'StoreUnavailable',
    message: expect.stringMatching(/cannot be reached: .*ECONNREFUSED/),
    more: { advice: expect.stringContaining('store.s3.endpoint') },
  };
  await expect(store.putFile(path, digest)).rejects.toMatchObject(away);
  await expect(store.publish('r2', Buffer.from('x'))).rejects.toMatchObject(away);
  await expect(store.readRecord('r')).rejects.toMatchObject(away);
  await expect(store.appendLog('l', 4, Buffer.from('two'))).rejects.toMatchObject(away);
  await expect(store.listRecords('r/')[Symbol.asyncIterator]().next()).rejects.toMatchObject(away);
  expect(performance.now() - began).toBeLessThan(10_000);
  await own.start();
  await store.putFile(path, digest);
  await store.appendLog('l', 4, Buffer.from('two'));
  expect(Buffer.from(await store.readLog('l', 0)).toString()).toBe('one two');
  expect((await store.publish('r', Buffer.from('two'))).bytes).toEqual(Buffer.from('one'));
});

describe('uploads', () => {
  test('of a file with another digest than said never become visible, and leave nothing', async () => {
    const { path } = await bigFile();
    const wrong = 'f'.repeat(64);
    await expect(open().putFile(path, wrong)).rejects.toMatchObject({ type: 'InputRejected' });
    expect(await open().blobSize(wrong)).toBeUndefined();
    expect(proxy.requests.filter((line) => line.includes('partNumber='))).toHaveLength(3);
    expect(await uploads()).toEqual([]);
  });

  test('that are stopped leave nothing and say why', async () => {
    const { path, digest } = await bigFile(60 * MIB);
    const stop = new AbortController();
    const reason = new Error('cancelled');
    proxy.fate = (request) => {
      if (isPart(request)) stop.abort(reason);
      return 'pass';
    };
    await expect(open().putFile(path, digest, stop.signal)).rejects.toBe(reason);
    expect(await direct().blobSize(digest)).toBeUndefined();
    expect(await uploads()).toEqual([]);
  });

  test('of what is there already send no byte of it', async () => {
    const { path, digest } = await bigFile();
    await direct().putFile(path, digest);
    const store = open();
    await store.blobSize(digest);
    proxy.requests.length = 0;
    await store.putFile(path, digest);
    expect(proxy.requests.map((line) => line.replace(/\?.*|[^/]*$/, '').slice(0, 60))).toHaveLength(4);
    expect(proxy.requests.some((line) => /^(PUT|POST) .*blobs/.test(line))).toBe(false);
  });

  test.each([8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB])('of %i bytes are whole', async (size) => {
    const { path, bytes, digest } = await bigFile(size);
    await open().putFile(path, digest);
    expect(sha256(await open().readBytes(digest))).toBe(sha256(bytes));
  });

  test('of a writer that died are aborted a day later, younger ones are not', async () => {
    const store = open();
    await store.blobSize('0'.repeat(64));
    const ids: string[] = [];
    for (const digest of ['a', 'b']) {
      const at = { Bucket: BUCKET, Key: `${place.prefix}/blobs/${digest.repeat(2)}/${digest.repeat(64)}` };
      const { UploadId = '' } = await server.client.send(new CreateMultipartUploadCommand(at));
      await server.client.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'x' }));
      ids.push(UploadId);
    }
    const longAgo = new Date(Date.now() - 25 * 3_600_000);
    await utimes(await folderOf(ids[0] as string), longAgo, longAgo);
    expect((await uploads()).sort()).toEqual([...ids].sort());
    await store.putFile('/dev/null', sha256(Buffer.alloc(0)));
    expect(await uploads()).toEqual([ids[1]]);
  });
});

test('more than a thousand of all kinds are listed whole and in order', { timeout: 60_000 }, async () => {
  const store = direct();
  const names = Array.from({ length: 1205 }, (_, index) => `r/${index}/a+b~c%`.slice(0, -1));
  for (let at = 0; at < names.length; at += 50) {
    await Promise.all(names.slice(at, at + 50).map((name) => store.publish(name, Buffer.from(name))));
  }
  expect(await all(store.listRecords('r/'))).toEqual([...names].sort());
  for (let at = 0; at < 1100; at += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => store.appendLog(`many/${at + index}`, 0, Buffer.from('x'))),
    );
  }
  expect(await all(store.listLogs())).toHaveLength(1100);
});

test('a log of very many small appends is few objects, each append one request', {
  timeout: 60_000,
}, async () => {
  const store = open();
  const log = randomBytes(300_000);
  await store.appendLog('l', 0, log.subarray(0, 150));
  proxy.requests.length = 0;
  for (let at = 150; at < log.length; at += 150) await store.appendLog('l', at, log.subarray(at, at + 150));
  // Where a cell ends an append is two.
  expect(proxy.requests.length).toBeLessThanOrEqual(1999 + 2);
  expect((await readdir(join(server.folder, place.prefix, 'logs', 'l!log'))).sort()).toEqual([
    '000000000',
    '000000001',
    '000000002',
  ]);
  expect(sha256(await direct().readLog('l', 0))).toBe(sha256(log));
});

test('a writer whose log was forgotten by another is refused, and writes no hole', async () => {
  const store = open();
  await store.appendLog('l', 0, Buffer.from('one '));
  await direct().deleteLog('l');
  await expect(store.appendLog('l', 4, Buffer.from('two'))).rejects.toThrow(RangeError);
  expect(await direct().logSize('l')).toBe(0);
});

test('a proxy of the environment is used, unless it is told otherwise', async () => {
  const of = { ...place, endpoint: server.endpoint };
  for (const [no_proxy, used] of [
    ['', true],
    ['127.0.0.1', false],
  ] as const) {
    proxy.requests.length = 0;
    const proxies = { http_proxy: proxy.endpoint, no_proxy };
    await createS3Store(of, { credentials: CREDENTIALS, proxies }).putBytes(Buffer.from('x'));
    expect(proxy.requests.length > 0).toBe(used);
  }
});

/** Where the server keeps the parts of an upload. */
async function folderOf(upload: string): Promise<string> {
  for (const path of await readdir(server.folder, { recursive: true })) {
    if (path.endsWith(upload)) return join(server.folder, path);
  }
  throw new Error(`no folder of ${upload}`);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}
