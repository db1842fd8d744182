import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Progress } from '../../host/progress.ts';
import { createInputCache, type InputCacheOptions } from '../../repositories/cache.ts';
import type { InputFile } from '../../schema/lock.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FileServer, serve } from './fixtures/server.ts';

const SIZE = 300_000;

interface Setting {
  folder: string;
  server: FileServer;
  /** Makes a file on the server. */
  file(name: string, size?: number): Promise<InputFile>;
  cache(options?: Partial<InputCacheOptions>): ReturnType<typeof createInputCache>;
}

async function setting(): Promise<Setting> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'mirror'));
  await mkdir(join(folder, 'store'));
  const server = await serve(join(folder, 'mirror'));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const store = createDirectoryStore({ directory: join(folder, 'store') });
  return {
    folder,
    server,
    async file(name, size = SIZE) {
      const bytes = randomBytes(size);
      await writeFile(join(folder, 'mirror', name), bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { name, urls: [`${server.url}/${name}`], size, sha256 };
    },
    cache(options = {}) {
      const cache = createInputCache({ directory: join(folder, 'cache'), store, pauseMs: 5, ...options });
      onTestFinished(() => cache.close());
      return cache;
    },
  };
}

function context(reports: Progress[] = []) {
  return { signal: AbortSignal.timeout(20_000), report: (progress: Progress) => void reports.push(progress) };
}

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Sends the beginning of a body of `size` bytes from `offset` on, then cuts the connection. */
function cutAfter(file: Buffer, offset: number, count: number): (response: ServerResponse) => true {
  return (response) => {
    response.writeHead(offset > 0 ? 206 : 200, {
      'content-length': file.length - offset,
      ...(offset > 0 ? { 'content-range': `bytes ${offset}-${file.length - 1}/${file.length}` } : {}),
    });
    response.write(file.subarray(offset, offset + count), () => response.destroy());
    return true;
  };
}

describe('fetch', () => {
  test('brings files of any size under their digests, many at a time, and counts their bytes', async () => {
    const { cache, file, folder } = await setting();
    const files = await Promise.all([0, 1, 65_536, SIZE, 5, 6, 7].map((size, at) => file(`f${at} ü%`, size)));
    for (const each of files) each.urls = each.urls.map((url) => encodeURI(url));
    files.push({
      ...(await file('local #1')),
      urls: [pathToFileURL(join(folder, 'mirror', 'local #1')).href],
    });
    const reports: Progress[] = [];
    const { path, fetch } = cache({ parallel: 3 });
    const total = files.reduce((sum, each) => sum + each.size, 0);
    expect(await fetch(files, context(reports))).toEqual({ downloadedBytes: total, inputBytes: total });
    for (const each of files) expect(await digest(path(each.sha256))).toBe(each.sha256);
    expect(reports.at(-1)).toMatchObject({ done: total, total, unit: 'bytes' });
    expect(await readdir(join(folder, 'cache/partial'))).toEqual([]);
  });

  test('what is there is not fetched again', async () => {
    const { cache, file, server } = await setting();
    const files = [await file('a'), await file('b')];
    await cache().fetch(files, context());
    expect(await cache().fetch(files, context())).toEqual({ downloadedBytes: 0, inputBytes: 2 * SIZE });
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    ['shorter', (path: string) => truncate(path, 1000)],
    ['another content of the same size', (path: string) => writeFile(path, randomBytes(SIZE))],
  ])('a corrupt entry is found and replaced: %s', async (_, corrupt) => {
    const { cache, file } = await setting();
    const a = await file('a');
    const { fetch, path } = cache();
    await fetch([a], context());
    await corrupt(path(a.sha256));
    expect(await fetch([a], context())).toEqual({ downloadedBytes: SIZE, inputBytes: SIZE });
    expect(await digest(path(a.sha256))).toBe(a.sha256);
  });

  test('two caches of one folder fetch the same files without tearing them', async () => {
    const { cache, file } = await setting();
    const files = await Promise.all(Array.from({ length: 6 }, (_, at) => file(`f${at}`)));
    const [one, other] = [cache(), cache()];
    await Promise.all([one, other].map((each) => each.fetch([...files, ...files], context())));
    for (const each of files) expect(await digest(one.path(each.sha256))).toBe(each.sha256);
  });

  test('what is being fetched is not fetched by another at the same time; its bytes are counted once', async () => {
    const { cache, file, server } = await setting();
    const files = [await file('a'), await file('b')];
    const { fetch } = cache();
    const both = await Promise.all([fetch(files, context()), fetch(files, context())]);
    expect(server.requests).toHaveLength(2);
    expect(both.map(({ downloadedBytes }) => downloadedBytes)).toEqual([2 * SIZE, 0]);
  });

  test('one who gives up leaves the download to the other', async () => {
    const { cache, file, server } = await setting();
    const a = await file('a');
    const stop = new AbortController();
    const { fetch } = cache();
    server.behaviour = (_, response) => {
      setTimeout(() => {
        stop.abort(new Error('cancelled'));
        response.writeHead(302, { location: `${server.url}/a?now` }).end();
      }, 50);
      server.behaviour = () => false;
      return true;
    };
    const cancelled = fetch([a], { signal: stop.signal, report: () => {} });
    const other = fetch([a], context());
    await expect(cancelled).rejects.toThrow('cancelled');
    expect(await other).toMatchObject({ inputBytes: SIZE });
  });

  test('a file without URL comes from the store', async () => {
    const { cache, folder } = await setting();
    const sha256 = await createDirectoryStore({ directory: join(folder, 'store') }).putBytes(
      Buffer.from('blob'),
    );
    const { fetch, path } = cache();
    const missing = { name: 'gone.dsc', urls: [], size: 3, sha256: '0'.repeat(64) };
    await fetch([{ name: 'x.dsc', urls: [], size: 4, sha256 }], context());
    expect(await readFile(path(sha256), 'utf8')).toBe('blob');
    await expect(fetch([missing], context())).rejects.toMatchObject({
      type: 'InputsGone',
      more: { items: ['gone.dsc'] },
    });
  });
});

describe('one file', () => {
  test('is there before the rest of the files, without being fetched twice', async () => {
    const { cache, file, server } = await setting();
    const [a, b, slow] = [await file('a'), await file('b'), await file('slow')];
    const held: (() => void)[] = [];
    server.behaviour = (request, response) => {
      if (request.url !== '/slow') return false;
      held.push(() => void response.writeHead(302, { location: `${server.url}/slow?now` }).end());
      return true;
    };
    // `b` waits for its turn behind `slow`.
    const { fetch, ready, path } = cache({ parallel: 1 });
    const order: string[] = [];
    const all = fetch([a, slow, b], context()).then((fetched) => {
      order.push('all');
      return fetched;
    });
    for (const each of [b, a]) {
      expect(await ready(each, AbortSignal.timeout(5000))).toBe(path(each.sha256));
      expect(await digest(path(each.sha256))).toBe(each.sha256);
      order.push(each.name);
    }
    while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    held[0]?.();
    // What came for who wanted it first was fetched, too.
    expect((await all).downloadedBytes).toBe(a.size + slow.size + b.size);
    expect(order).toEqual(['b', 'a', 'all']);
    expect(server.requests.sort()).toEqual(['/a', '/b', '/slow', '/slow?now']);
  });

  test('that is gone is named, and one that is not wanted any more is given up', async () => {
    const { cache, file, server } = await setting();
    const a = await file('a');
    const { ready } = cache({ attempts: 1 });
    await expect(
      ready({ ...a, urls: [`${server.url}/no`] }, AbortSignal.timeout(5000)),
    ).rejects.toMatchObject({ type: 'InputsGone', more: { items: ['a'] } });
    server.behaviour = () => true;
    await expect(ready(a, AbortSignal.timeout(100))).rejects.toThrow(/time/);
  });
});

describe('what was verified', () => {
  test('is not read again as long as it is untouched', async () => {
    const { cache, file } = await setting();
    const a = await file('a');
    const { fetch, path } = cache();
    await fetch([a], context());
    const before = await stat(path(a.sha256));
    await fetch([a], context());
    // ext4 and others note a read of a file whose content is newer than its last read (relatime).
    expect((await stat(path(a.sha256))).atimeMs).toBe(before.atimeMs);
  });

  test.each<[string, (path: string) => Promise<unknown>]>([
    [
      'another content, its times set back',
      (path) => backdated(path, () => writeFile(path, randomBytes(SIZE))),
    ],
    ['one byte', (path) => backdated(path, () => flipByte(path))],
    ['another file in its place', (path) => backdated(path, () => replace(path, randomBytes(SIZE)))],
    ['nothing in its place', (path) => rm(path)],
  ])('and is then changed is found and replaced: %s', async (_, change) => {
    const { cache, file } = await setting();
    const a = await file('a');
    const { fetch, ready, path } = cache();
    await fetch([a], context());
    await fetch([a], context());
    await change(path(a.sha256));
    await ready(a, AbortSignal.timeout(5000));
    expect(await digest(path(a.sha256))).toBe(a.sha256);
  });

  test('counts as used at each use, so that gc leaves it', async () => {
    const { cache, file } = await setting();
    const a = await file('a');
    const { fetch, path } = cache();
    await fetch([a], context());
    await utimes(path(a.sha256), 1, 1);
    await fetch([a], context());
    expect(Date.now() - (await stat(path(a.sha256))).mtimeMs).toBeLessThan(60_000);
  });
});

/** Changes a file and sets its times back to what they were. */
async function backdated(path: string, change: () => Promise<unknown>): Promise<void> {
  const { atime, mtime } = await stat(path);
  await change();
  await utimes(path, atime, mtime);
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

async function replace(path: string, bytes: Buffer): Promise<void> {
  await writeFile(`${path}.new`, bytes);
  await rename(`${path}.new`, path);
}

describe('a flaky server', () => {
  test('cuts mid-transfer: the download goes on where it ended, however often, as long as bytes arrive', async () => {
    const { cache, file, folder, server } = await setting();
    const a = await file('a');
    const bytes = await readFile(join(folder, 'mirror/a'));
    server.behaviour = (request, response) => {
      const offset = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
      return offset < 250_000 && cutAfter(bytes, offset, 40_000)(response);
    };
    const { downloadedBytes } = await cache({ attempts: 2 }).fetch([a], context());
    expect(downloadedBytes).toBe(SIZE);
    expect(server.requests.length).toBeGreaterThan(6);
    expect(server.requests[1]).toMatch(/^\/a bytes=[1-9]\d*-$/);
  });

  test('ignores ranges: the download starts anew', async () => {
    const { cache, file, folder, server } = await setting();
    const a = await file('a');
    const bytes = await readFile(join(folder, 'mirror/a'));
    server.behaviour = (request, response) => {
      if (server.requests.length === 1) return cutAfter(bytes, 0, 100_000)(response);
      delete request.headers.range;
      return false;
    };
    const { fetch, path } = cache();
    expect((await fetch([a], context())).downloadedBytes).toBeGreaterThan(SIZE);
    expect(server.requests[1]).toMatch(/^\/a bytes=[1-9]\d*-$/);
    expect(await digest(path(a.sha256))).toBe(a.sha256);
  });

  test('a partial download of another file is thrown away in the end', async () => {
    const { cache, file, folder } = await setting();
    const a = await file('a');
    await mkdir(join(folder, 'cache/partial'), { recursive: true });
    // As a process left it that was killed: no process has that id and start time.
    await writeFile(join(folder, 'cache/partial', `${a.sha256}.1.999999999999.1`), randomBytes(5000));
    const { fetch, path } = cache();
    expect(await fetch([a], context())).toEqual({ downloadedBytes: 2 * SIZE - 5000, inputBytes: SIZE });
    expect(await digest(path(a.sha256))).toBe(a.sha256);
    expect(await readdir(join(folder, 'cache/partial'))).toEqual([]);
  });

  test('answers 503, then serves', async () => {
    const { cache, file, server } = await setting();
    const a = await file('a');
    server.behaviour = (_, response) => server.requests.length < 3 && Boolean(response.writeHead(503).end());
    await cache().fetch([a], context());
    expect(server.requests).toHaveLength(3);
  });

  test('sends nothing for the time limit: DownloadFailed, what is there is kept and used by the next', async () => {
    const { cache, file, folder, server } = await setting();
    const a = await file('a');
    const bytes = await readFile(join(folder, 'mirror/a'));
    server.behaviour = (request, response) => {
      if (request.headers.range !== undefined) return true;
      response.writeHead(200, { 'content-length': SIZE }).write(bytes.subarray(0, 7000));
      return true;
    };
    const failed = cache({ stallMs: 150, attempts: 2 }).fetch([a], context());
    await expect(failed).rejects.toMatchObject({
      type: 'DownloadFailed',
      message: expect.stringMatching(/no byte for 0.15 s/),
    });
    expect(await readdir(join(folder, 'cache/partial'))).toEqual([a.sha256]);
    server.behaviour = () => false;
    expect(await cache().fetch([a], context())).toMatchObject({ downloadedBytes: SIZE - 7000 });
  });

  test('another URL is tried where one has it not, or is down', async () => {
    const { cache, file } = await setting();
    const a = await file('a');
    const urls = ['http://127.0.0.1:9/a', `${a.urls[0]}.not`, ...a.urls];
    await cache().fetch([{ ...a, urls }], context());
  });

  test('redirects are followed, but not into the files of the host', async () => {
    const { cache, file, folder, server } = await setting();
    const a = await file('a');
    server.behaviour = (request, response) =>
      request.url === '/moved' && Boolean(response.writeHead(302, { location: '/a' }).end());
    await cache().fetch([{ ...a, urls: [`${server.url}/moved`] }], context());
    const b = await file('b');
    server.behaviour = (_, response) =>
      Boolean(response.writeHead(302, { location: pathToFileURL(join(folder, 'mirror/b')).href }).end());
    const failed = cache({ attempts: 1 }).fetch([b], context());
    await expect(failed).rejects.toMatchObject({
      type: 'DownloadFailed',
      message: expect.stringMatching(/redirected to file:/),
    });
  });

  test('a proxy is used for http where one is set', async () => {
    const { cache, file, server } = await setting();
    const a = await file('a');
    server.behaviour = (request) => {
      request.url = new URL(request.url ?? '', 'http://x').pathname;
      return false;
    };
    await cache({ proxies: { http_proxy: server.url } }).fetch(
      [{ ...a, urls: ['http://mirror.invalid/a'] }],
      context(),
    );
    expect(server.requests).toEqual(['http://mirror.invalid/a']);
  });
});

describe('what cannot be had', () => {
  test('files that are gone are all named, at once and without a second attempt; the others are kept', async () => {
    const { cache, file, server } = await setting();
    const good = await file('good');
    const gone = ['x', 'y'].map((name, at) => ({
      ...good,
      name,
      urls: [`${server.url}/${name}`],
      sha256: `${at}`.repeat(64),
    }));
    const { fetch, path } = cache({ parallel: 1 });
    const failed = fetch([...gone, good], context());
    await expect(failed).rejects.toMatchObject({ type: 'InputsGone', more: { items: ['x', 'y'] } });
    expect(server.requests).toHaveLength(3);
    expect(await digest(path(good.sha256))).toBe(good.sha256);
  });

  test.each([
    ['content', () => randomBytes(SIZE)],
    ['smaller size', () => randomBytes(SIZE - 1)],
    ['larger size', () => randomBytes(SIZE + 1)],
  ])('a file that changed on the mirror is fetched once more, then rejected: %s', async (_, content) => {
    const { cache, file, folder, server } = await setting();
    const a = await file('a');
    await writeFile(join(folder, 'mirror/a'), content());
    const failed = cache().fetch([a], context());
    await expect(failed).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(/changed on the mirror/),
      more: { items: ['a'] },
    });
    expect(server.requests).toHaveLength(2);
    expect(await readdir(join(folder, 'cache/partial'))).toEqual([]);
  });

  test('an endless body ends at the size of the file', async () => {
    const { cache, file, server } = await setting();
    const a = await file('a');
    server.behaviour = (_, response) => {
      const more = () => response.write(randomBytes(65_536), (error) => error ?? setImmediate(more));
      more();
      return true;
    };
    await expect(cache().fetch([a], context())).rejects.toMatchObject({ type: 'InputRejected' });
  });

  test('a server that is not there ends as DownloadFailed and stops the others', async () => {
    const { cache, file } = await setting();
    const a = await file('a');
    const failed = cache({ attempts: 2 }).fetch([{ ...a, urls: ['http://127.0.0.1:9/a'] }], context());
    await expect(failed).rejects.toMatchObject({
      type: 'DownloadFailed',
      message: expect.stringMatching(/ECONNREFUSED/),
    });
  });

  test('an abort ends all transfers with its reason', async () => {
    const { cache, file, server } = await setting();
    const files = [await file('a'), await file('b')];
    server.behaviour = () => true;
    const stop = new AbortController();
    const failed = cache().fetch(files, { signal: stop.signal, report: () => {} });
    setTimeout(() => stop.abort(new Error('cancelled')), 100);
    await expect(failed).rejects.toThrow('cancelled');
  });
});
