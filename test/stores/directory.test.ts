import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../host/run.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { storeContract } from '../contracts/store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MIB = 1024 * 1024;

storeContract('directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  return {
    store: createDirectoryStore({ directory }),
    reopen: () => createDirectoryStore({ directory }),
    damage: async (digest) => {
      const path = join(directory, 'blobs', digest.slice(0, 2), digest);
      await chmod(path, 0o600);
      await writeFile(path, 'PRECIOUS');
    },
    timeStep: 20,
    cleanup: () => rm(directory, { recursive: true }),
  };
});

test('the layout is the documented one, and nothing else is left', async () => {
  const { directory, store } = await newStore();
  const digest = await store.putBytes(bytes('x'));
  await store.publish('results/a/1', bytes('x'));
  await store.appendLog('logs/1', 0, bytes('x'));
  await expect(store.putFile('/dev/null', digest.replace(/^./, '0'))).rejects.toThrow('SHA-256');
  expect((await readdir(directory, { recursive: true })).sort()).toEqual(
    [
      'blobs',
      `blobs/${digest.slice(0, 2)}`,
      `blobs/${digest.slice(0, 2)}/${digest}`,
      'logs',
      'logs/logs',
      'logs/logs/1@log',
      'records',
      'records/results',
      'records/results/a',
      'records/results/a/1@record',
      'slipway-store',
      'tmp',
    ].sort(),
  );
  expect(await readFile(join(directory, 'slipway-store'), 'utf8')).toBe('format 1\n');
  expect((await stat(join(directory, 'blobs', digest.slice(0, 2), digest))).mode & 0o222).toBe(0);
});

test('a writer killed in the middle of a blob leaves no blob; its file is swept a day later', async () => {
  const { directory, store } = await newStore();
  const content = randomBytes(2 * MIB);
  const digest = createHash('sha256').update(content).digest('hex');
  // The writer reads from a pipe that never ends: it is certainly in the middle.
  const pipe = join(await temporaryFolder(), 'pipe');
  await run(['mkfifo', pipe]);
  const writer = child('put-file.ts', [directory, pipe, digest]);
  const end = await open(pipe, 'w');
  await end.writeFile(content.subarray(0, MIB));
  await until(async () => (await sizesIn(join(directory, 'tmp')))[0] === MIB);
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  await end.close();

  const [left] = (await readdir(join(directory, 'tmp'))) as [string];
  expect(await store.blobSize(digest)).toBeUndefined();
  expect(await createDirectoryStore({ directory }).blobSize(digest)).toBeUndefined();
  expect(await readdir(join(directory, 'tmp'))).toEqual([left]);
  const longAgo = new Date(Date.now() - 25 * 3_600_000);
  await utimes(join(directory, 'tmp', left), longAgo, longAgo);
  const later = createDirectoryStore({ directory });
  expect(await later.putBytes(content)).toBe(digest);
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
});

test('a writer killed in the middle of a log: the next one begins where it likes and the log is right', async () => {
  const { directory, store } = await newStore();
  const log = randomBytes(8 * MIB);
  const source = join(await temporaryFolder(), 'log');
  await writeFile(source, log);
  for (const step of ['4001', '70001', '700001']) {
    const before = await store.logSize('l');
    const writer = child('append-log.ts', [directory, 'l', source, step]);
    const exited = once(writer, 'exit');
    await until(async () => writer.exitCode !== null || (await store.logSize('l')) > before);
    writer.kill('SIGKILL');
    await exited;
    expect(log.subarray(0, await store.logSize('l')).equals(await wholeLog(store, 'l'))).toBe(true);
  }
  for (let at = 0; at < log.length; at += MIB) await store.appendLog('l', at, log.subarray(at, at + MIB));
  expect(log.equals(await wholeLog(store, 'l'))).toBe(true);
});

test('an append that died half way is completed by its repetition', async () => {
  const { directory, store } = await newStore();
  await store.appendLog('l', 0, bytes('first\n'));
  await store.appendLog('l', 6, bytes('second\n'));
  await truncate(join(directory, 'logs', 'l@log'), 9);
  await store.appendLog('l', 6, bytes('second\n'));
  expect(Buffer.from(await store.readLog('l', 0)).toString()).toBe('first\nsecond\n');
});

test('a blob that was cut off is written anew by the next put', async () => {
  const { directory, store } = await newStore();
  const source = join(await temporaryFolder(), 'source');
  await writeFile(source, 'whole');
  const digest = await store.putBytes(bytes('whole'));
  const path = join(directory, 'blobs', digest.slice(0, 2), digest);
  for (const put of [() => store.putBytes(bytes('whole')), () => store.putFile(source, digest)]) {
    await chmod(path, 0o600);
    await truncate(path, 2);
    await put();
    expect(await store.readBytes(digest)).toHaveLength(5);
  }
});

test('a new store made by many at once is one store', async () => {
  const directory = await temporaryFolder();
  const clients = Array.from({ length: 10 }, () => createDirectoryStore({ directory }));
  const digests = await Promise.all(clients.map((client, index) => client.putBytes(bytes(`${index}`))));
  for (const digest of digests) expect(await clients[0]?.blobSize(digest)).toBe(1);
  expect((await readdir(directory)).sort()).toEqual(['blobs', 'slipway-store', 'tmp']);
});

test('a missing folder, a file, and a folder of something else are refused with what to do', async () => {
  const folder = await temporaryFolder();
  await expect(createDirectoryStore({ directory: join(folder, 'none') }).logSize('l')).rejects.toMatchObject({
    type: 'StoreUnavailable',
    message: expect.stringContaining('none is not there'),
    more: { advice: expect.stringContaining('mounted') },
  });
  await writeFile(join(folder, 'file'), '');
  await expect(createDirectoryStore({ directory: join(folder, 'file') }).logSize('l')).rejects.toMatchObject({
    type: 'StoreUnavailable',
    message: expect.stringContaining('is no folder'),
  });
  await expect(createDirectoryStore({ directory: folder }).putBytes(bytes('x'))).rejects.toMatchObject({
    type: 'StoreUnavailable',
    message: expect.stringContaining('it has files (file, …)'),
  });
  expect(await readdir(folder)).toEqual(['file']);
});

test('a store of another format is left alone', async () => {
  const directory = await temporaryFolder();
  await writeFile(join(directory, 'slipway-store'), 'format 2\n');
  await expect(createDirectoryStore({ directory }).putBytes(bytes('x'))).rejects.toMatchObject({
    type: 'StoreUnavailable',
    message: expect.stringContaining('says "format 2"'),
  });
  expect(await readdir(directory)).toEqual(['slipway-store']);
});

test('a folder that is missing at first is opened once it is there', async () => {
  const directory = join(await temporaryFolder(), 'later');
  const store = createDirectoryStore({ directory });
  await expect(store.putBytes(bytes('x'))).rejects.toMatchObject({ type: 'StoreUnavailable' });
  await mkdir(directory);
  await store.putBytes(bytes('x'));
});

test('a store that went away while it was open is unavailable, not empty, and nothing is written in its place', async () => {
  const { directory, store } = await newStore();
  await store.publish('r', bytes('x'));
  const digest = await store.putBytes(bytes('x'));
  await rename(directory, `${directory}-away`);
  onTestFinished(() => rm(`${directory}-away`, { recursive: true }));
  await mkdir(directory);
  const unavailable = { type: 'StoreUnavailable' };
  await expect(store.readRecord('r')).rejects.toMatchObject(unavailable);
  await expect(store.publish('r', bytes('y'))).rejects.toMatchObject(unavailable);
  await expect(store.listRecords('r/')[Symbol.asyncIterator]().next()).rejects.toMatchObject(unavailable);
  await expect(store.blobSize(digest)).rejects.toMatchObject(unavailable);
  await expect(store.readBytes(digest)).rejects.toMatchObject(unavailable);
  await expect(store.putBytes(bytes('x'))).rejects.toMatchObject(unavailable);
  await expect(store.appendLog('l', 0, bytes('x'))).rejects.toMatchObject(unavailable);
  await expect(store.logSize('l')).rejects.toMatchObject(unavailable);
  await expect(store.readLog('l', 0)).rejects.toMatchObject(unavailable);
  expect(await readdir(directory)).toEqual([]);
});

test('a full store is unavailable, and what did not fit leaves nothing', async () => {
  const directory = await temporaryFolder();
  await run(['mount', '-t', 'tmpfs', '-o', 'size=256k,mode=700', 'slipway-test', directory]);
  onTestFinished(() => run(['umount', directory]).then(() => undefined));
  const store = createDirectoryStore({ directory });
  const kept = await store.putBytes(randomBytes(1000));
  const big = randomBytes(MIB);
  const source = join(await temporaryFolder(), 'big');
  await writeFile(source, big);
  const full = {
    type: 'StoreUnavailable',
    message: expect.stringContaining(`the store ${directory} is full`),
  };
  await expect(store.putFile(source, createHash('sha256').update(big).digest('hex'))).rejects.toMatchObject(
    full,
  );
  await expect(store.putBytes(big)).rejects.toMatchObject(full);
  await expect(store.publish('r', big)).rejects.toMatchObject(full);
  expect(await store.readRecord('r')).toBeUndefined();
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
  // The log keeps what went in, which is its beginning.
  await expect(store.appendLog('l', 0, big)).rejects.toMatchObject(full);
  expect(big.subarray(0, await store.logSize('l')).equals(await wholeLog(store, 'l'))).toBe(true);
  expect(await store.blobSize(kept)).toBe(1000);
});

test('a read-only store is read; writing says that it is read-only', async () => {
  const directory = await temporaryFolder();
  const digest = await createDirectoryStore({ directory }).putBytes(bytes('x'));
  await run(['mount', '--bind', directory, directory]);
  onTestFinished(() => run(['umount', directory]).then(() => undefined));
  await run(['mount', '-o', 'remount,ro,bind', directory]);
  const store = createDirectoryStore({ directory });
  expect(await store.blobSize(digest)).toBe(1);
  await expect(store.publish('r', bytes('x'))).rejects.toMatchObject({
    type: 'StoreUnavailable',
    message: expect.stringContaining('is mounted read-only'),
  });
});

test('a store that refuses access says so', async () => {
  const { directory, store } = await newStore();
  const digest = await store.putBytes(bytes('x'));
  await chmod(directory, 0o700);
  const denied = {
    type: 'StoreUnavailable',
    message: expect.stringContaining(`the store ${directory} refuses access`),
  };
  process.seteuid?.(65_534);
  try {
    await expect(store.blobSize(digest)).rejects.toMatchObject(denied);
    await expect(createDirectoryStore({ directory }).publish('r', bytes('x'))).rejects.toMatchObject(denied);
  } finally {
    process.seteuid?.(0);
  }
});

test('the location is absolute, also through a symlink', async () => {
  const { directory } = await newStore();
  const link = join(await temporaryFolder(), 'link');
  await symlink(directory, link);
  const store = createDirectoryStore({ directory: link });
  expect(store.location).toBe(link);
  await store.putBytes(bytes('x'));
});

async function newStore() {
  const directory = await temporaryFolder();
  return { directory, store: createDirectoryStore({ directory }) };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function child(script: string, args: string[]): ChildProcess {
  const started = spawn(process.execPath, [join(import.meta.dirname, 'fixtures', script), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => void started.kill('SIGKILL'));
  return started;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(2);
}

async function sizesIn(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
}

async function wholeLog(store: ReturnType<typeof createDirectoryStore>, stream: string): Promise<Buffer> {
  return Buffer.from(await store.readLog(stream, 0, 1024 * MIB));
}
