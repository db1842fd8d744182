import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createInputCache, type InputCacheOptions } from '../../repositories/cache.ts';
import type { InputFile } from '../../schema/lock.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { serve } from './fixtures/server.ts';

const SIZE = 100_000;

/** A mirror with some files, a store, and hosts with an empty cache each. */
async function farm() {
  const folder = await temporaryFolder();
  for (const name of ['mirror', 'store']) await mkdir(join(folder, name));
  const mirror = await serve(join(folder, 'mirror'));
  onTestFinished(() => mirror[Symbol.asyncDispose]());
  const store = createDirectoryStore({ directory: join(folder, 'store') });
  let hosts = 0;
  return {
    mirror,
    store,
    async file(name: string): Promise<InputFile> {
      const bytes = randomBytes(SIZE);
      await writeFile(join(folder, 'mirror', name), bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { name, urls: [`${mirror.url}/${name}`], size: SIZE, sha256 };
    },
    drop: (name: string) => rm(join(folder, 'mirror', name)),
    async damage(sha256: string) {
      const path = join(folder, 'store', 'blobs', sha256.slice(0, 2), sha256);
      await chmod(path, 0o600);
      await writeFile(path, randomBytes(SIZE));
    },
    host(options: Partial<InputCacheOptions> = {}) {
      hosts += 1;
      const directory = join(folder, `cache-${hosts}`);
      const cache = createInputCache({ directory, store, pauseMs: 5, attempts: 2, ...options });
      onTestFinished(() => cache.close());
      return cache;
    },
  };
}

const context = () => ({ signal: AbortSignal.timeout(20_000), report: () => {} });

async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

test('what was kept needs no mirror any more, on another host', async () => {
  const { file, drop, host, mirror } = await farm();
  const files = [await file('a.deb'), await file('b.deb')];
  await host({ keep: true }).fetch(files, context());
  for (const { name } of files) await drop(name);
  const other = host({ keep: true });
  expect(await other.fetch(files, context())).toEqual({ downloadedBytes: 0, inputBytes: 2 * SIZE });
  for (const { sha256 } of files) expect(await digestOf(other.path(sha256))).toBe(sha256);
  // The store was asked first: the mirror saw the first host only.
  expect(mirror.requests).toHaveLength(2);
});

test('a host that keeps nothing goes to the mirror first, and to the store for what is gone there', async () => {
  const { file, drop, host, mirror } = await farm();
  const [a, b] = [await file('a.deb'), await file('b.deb')];
  await host({ keep: true }).fetch([a, b], context());
  await drop('a.deb');
  const other = host();
  expect(await other.fetch([a, b], context())).toEqual({ downloadedBytes: SIZE, inputBytes: 2 * SIZE });
  expect(await digestOf(other.path(a.sha256))).toBe(a.sha256);
  expect(mirror.requests).toHaveLength(4);
});

test('what a mirror cannot deliver, or has changed, comes from the store too', async () => {
  const { file, host, mirror } = await farm();
  const a = await file('a.deb');
  await host({ keep: true }).fetch([a], context());
  const down = { ...a, urls: ['http://127.0.0.1:9/a.deb'] };
  await host().fetch([down], context());
  mirror.behaviour = (_, response) => Boolean(response.end(randomBytes(SIZE)));
  await host().fetch([a], context());
});

test('without it the files that are gone are all named, and nothing is in the store', async () => {
  const { file, drop, host, store } = await farm();
  const files = [await file('a.deb'), await file('b.deb'), await file('c.deb')];
  await host().fetch(files, context());
  expect(await store.blobSize(files[0]?.sha256 ?? '')).toBeUndefined();
  for (const name of ['a.deb', 'c.deb']) await drop(name);
  for (const keep of [false, true]) {
    await expect(host({ keep }).fetch(files, context())).rejects.toMatchObject({
      type: 'InputsGone',
      message: expect.stringContaining(`no longer there, nor in the store ${store.location}:`),
      more: { items: ['a.deb', 'c.deb'] },
    });
  }
});

test('a damaged blob is not used: the mirror is, and the blob is mended', async () => {
  const { file, damage, drop, host, store } = await farm();
  const a = await file('a.deb');
  await host({ keep: true }).fetch([a], context());
  await damage(a.sha256);
  const other = host({ keep: true });
  expect(await other.fetch([a], context())).toEqual({ downloadedBytes: SIZE, inputBytes: SIZE });
  expect(await digestOf(other.path(a.sha256))).toBe(a.sha256);
  expect(await store.readBytes(a.sha256)).toHaveLength(SIZE);
  await drop('a.deb');
  await host({ keep: true }).fetch([a], context());
});

test('a damaged blob of a file that the mirror has no more: InputsGone', async () => {
  const { file, damage, drop, host } = await farm();
  const a = await file('a.deb');
  await host({ keep: true }).fetch([a], context());
  await damage(a.sha256);
  await drop('a.deb');
  const gone = { type: 'InputsGone', more: { items: ['a.deb'] } };
  await expect(host({ keep: true }).fetch([a], context())).rejects.toMatchObject(gone);
  await expect(host().fetch([a], context())).rejects.toMatchObject(gone);
});

test('what is in the cache is kept too, and counts as put again', async () => {
  const { file, host, store } = await farm();
  const a = await file('a.deb');
  const directory = join(await temporaryFolder(), 'cache');
  await host({ directory }).fetch([a], context());
  await host({ directory, keep: true }).fetch([a], context());
  const before = new Date();
  expect(await store.blobSize(a.sha256)).toBe(SIZE);
  await new Promise((settle) => setTimeout(settle, 20));
  await host({ directory, keep: true }).fetch([a], context());
  expect(await store.deleteBlob(a.sha256, before)).toBe(false);
});

test('a store that is away is an outage, not a loss', async () => {
  const { file, drop, host } = await farm();
  const a = await file('a.deb');
  await drop('a.deb');
  const store = createDirectoryStore({ directory: join(await temporaryFolder(), 'none') });
  for (const keep of [false, true]) {
    await expect(host({ keep, store }).fetch([a], context())).rejects.toMatchObject({
      type: 'StoreUnavailable',
    });
  }
});

test('nothing half way is left', async () => {
  const { file, host } = await farm();
  const directory = join(await temporaryFolder(), 'cache');
  await host({ directory, keep: true }).fetch([await file('a.deb')], context());
  expect(await readdir(join(directory, 'partial'))).toEqual([]);
});
