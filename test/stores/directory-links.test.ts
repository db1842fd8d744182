import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  link,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { WrittenFiles } from '../../extraction/written-files.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import type { GivenFile } from '../../stores/store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CONTENT = randomBytes(3 * 1024 * 1024 + 7);
const DIGEST = createHash('sha256').update(CONTENT).digest('hex');
const UNKNOWN: GivenFile = { digestOf: () => undefined };

async function given(content: Buffer = CONTENT) {
  const directory = await temporaryFolder();
  const path = join(await temporaryFolder(), 'file');
  await writeFile(path, content, { mode: 0o700 });
  const written = new WrittenFiles();
  written.remember(await stat(path, { bigint: true }), createHash('sha256').update(content).digest('hex'));
  const blob = join(directory, 'blobs', DIGEST.slice(0, 2), DIGEST);
  return { directory, store: createDirectoryStore({ directory }), path, written, blob };
}

test.each(['known', 'unknown'])(
  'a file whose digest is %s becomes the blob, as every blob is',
  async (which) => {
    const { store, directory, path, written, blob } = await given();
    const before = Date.now();
    await store.putFile(path, DIGEST, undefined, which === 'known' ? written : UNKNOWN);
    const found = await lstat(blob);
    expect(found.ino).toBe((await stat(path)).ino);
    expect(found.mode & 0o7777).toBe(0o444);
    expect(found.mtimeMs).toBeGreaterThan(before - 20);
    await rm(path);
    expect((await readFile(blob)).equals(CONTENT)).toBe(true);
    expect(await readdir(join(directory, 'tmp'))).toEqual([]);
  },
);

test('what is known is not read once more, what is not known is', async () => {
  const { store, path, blob } = await given(Buffer.from('is not what it is said to be'));
  await expect(store.putFile(path, DIGEST, undefined, UNKNOWN)).rejects.toMatchObject({
    type: 'InputRejected',
  });
  await expect(stat(blob)).rejects.toThrow('ENOENT');
  await store.putFile(path, DIGEST, undefined, { digestOf: () => DIGEST });
  expect((await stat(blob)).ino).toBe((await stat(path)).ino);
});

const changes: [string, (path: string) => Promise<unknown>][] = [
  ['was written to', (path) => writeFile(path, 'x', { flag: 'r+' })],
  ['is another one', (path) => rm(path).then(() => writeFile(path, 'other'))],
];
test.each(changes)('a file that %s since its digest was known is read, and refused', async (_, change) => {
  const { store, directory, path, written } = await given();
  await change(path);
  await expect(store.putFile(path, DIGEST, undefined, written)).rejects.toMatchObject({
    type: 'InputRejected',
  });
  expect(await store.blobSize(DIGEST)).toBeUndefined();
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
});

test('a file whose mode alone changed is read, and taken', async () => {
  const { store, path, written, blob } = await given();
  await chmod(path, 0o600);
  await store.putFile(path, DIGEST, undefined, written);
  expect((await stat(blob)).ino).toBe((await stat(path)).ino);
});

test('a file on another filesystem is copied, verified on the way', async () => {
  const { store, blob } = await given();
  const elsewhere = await mkdtemp('/dev/shm/slipway-test-');
  onTestFinished(() => rm(elsewhere, { recursive: true }));
  const path = join(elsewhere, 'file');
  await writeFile(path, CONTENT);
  const lying: GivenFile = { digestOf: () => DIGEST };
  await store.putFile(path, DIGEST, undefined, lying);
  expect((await stat(blob)).dev).not.toBe((await stat(path)).dev);
  expect((await readFile(blob)).equals(CONTENT)).toBe(true);
  await writeFile(path, 'other');
  const other = '0'.repeat(64);
  await expect(store.putFile(path, other, undefined, { digestOf: () => other })).rejects.toMatchObject({
    type: 'InputRejected',
  });
});

test('a symlink is not made a blob: what it leads to is copied', async () => {
  const { store, path, blob } = await given();
  await symlink(path, `${path}-link`);
  await store.putFile(`${path}-link`, DIGEST, undefined, UNKNOWN);
  expect((await lstat(blob)).isFile()).toBe(true);
  expect((await stat(blob)).ino).not.toBe((await stat(path)).ino);
});

test('names of one file that come at the same time, and again, are one blob and leave nothing', async () => {
  const { store, directory, path, written, blob } = await given();
  const paths = [path, ...Array.from({ length: 5 }, (_, i) => `${path}-${i}`)];
  for (const name of paths.slice(1)) await link(path, name);
  await Promise.all(paths.map((name) => store.putFile(name, DIGEST, undefined, written)));
  await store.putFile(path, DIGEST, undefined, written);
  expect((await stat(blob)).ino).toBe((await stat(path)).ino);
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
});

test('a link that is stopped leaves nothing', async () => {
  const { store, directory, path } = await given();
  const reason = new Error('cancelled');
  const stopped = store.putFile(path, DIGEST, AbortSignal.abort(reason), UNKNOWN);
  await expect(stopped).rejects.toBe(reason);
  expect(await store.blobSize(DIGEST)).toBeUndefined();
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
});

test('no more files are remembered than have room', async () => {
  const written = new WrittenFiles();
  for (let ino = 0n; ino < 30_000n; ino++) written.remember({ dev: 1n, ino, ctimeNs: 1n }, DIGEST);
  expect(written.digestOf({ dev: 1n, ino: 0n, ctimeNs: 1n })).toBeUndefined();
  expect(written.digestOf({ dev: 1n, ino: 29_999n, ctimeNs: 1n })).toBe(DIGEST);
  expect(written.digestOf({ dev: 1n, ino: 29_999n, ctimeNs: 2n })).toBeUndefined();
});
