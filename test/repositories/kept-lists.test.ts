import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addPackages, publish } from './fixtures/archive.ts';
import { answers304, published, publishLater, wanted } from './fixtures/later.ts';
import type { Behaviour } from './fixtures/server.ts';
import type { Setting } from './fixtures/setting.ts';

const CHILD = fileURLToPath(new URL('./fixtures/resolve-child.ts', import.meta.url));

test.each([
  ['says 304', answers304],
  ['knows no dates', () => () => false],
])('of a server that %s a change is seen by the next resolution', async (_, behaviour) => {
  const made = await seen(behaviour);
  await addPackages(made.archive, [{ Package: 'wanted', Version: '2.0' }]);
  await publishLater(made);
  expect(wanted(await made.resolve({}))).toBe('2.0');
});

describe('of a server that says 304', () => {
  test('a repository that has expired since is refused', async () => {
    const made = await seen(answers304);
    const validUntil = new Date(Date.now() + 5000);
    await publishLater(made, { validUntil });
    expect(wanted(await made.resolve({}))).toBe('1.0');
    await sleep(validUntil.getTime() + 1000 - Date.now());
    await expect(made.resolve({})).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(/expired/),
    });
  });

  test('one whose key is no longer in the keyring is refused, and taken again when it is', async () => {
    const made = await seen(answers304);
    const keyring = made.repository.signedBy ?? '';
    const right = await readFile(keyring);
    await copyFile(await (await made.newKey('other')).publicKey('binary'), keyring);
    await expect(made.resolve({})).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(/NO_PUBKEY/),
    });
    await writeFile(keyring, right);
    expect(wanted(await made.resolve({}))).toBe('1.0');
    // As each release becomes the old one some day.
    await publishLater(made, { codename: 'oldtiny' });
    expect(wanted(await made.resolve({}))).toBe('1.0');
  });
});

async function seen(behaviour: (made: Setting) => Behaviour): Promise<Setting> {
  const made = await published();
  made.server.behaviour = behaviour(made);
  expect(wanted(await made.resolve({}))).toBe('1.0');
  expect(wanted(await made.resolve({}))).toBe('1.0');
  return made;
}

describe('what one request has is nothing to another', () => {
  test('its keyring', async () => {
    const made = await published();
    const repository = { uris: [made.server.url], suites: ['tiny'], components: ['main'] };
    const keyrings = [made.key, await made.newKey('other')].map(async (key) =>
      made.put(await key.publicKey('binary')),
    );
    const [right = '', wrong = ''] = await Promise.all(keyrings);
    const by = (keyring: string) => made.resolve({}, { repositories: [{ ...repository, keyring }] });
    await by(right);
    await expect(by(wrong)).rejects.toMatchObject({ type: 'InputRejected' });
    await by(right);
  });

  test('its pins, one after another and at the same time', async () => {
    const made = await published();
    await addPackages(made.archive, [{ Package: 'wanted', Version: '2.0' }]);
    await publish(made.archive, { key: made.key });
    const old = { pins: [{ package: 'wanted', pin: 'version 1.0', priority: 1001 }] };
    const versions = async (...options: object[]) =>
      (await Promise.all(options.map((each) => made.resolve({ options: each })))).map(wanted);
    expect(await versions({})).toEqual(['2.0']);
    expect(await versions(old)).toEqual(['1.0']);
    expect(await versions({}, old, {}, old)).toEqual(['2.0', '1.0', '2.0', '1.0']);
  });
});

describe('several at once', () => {
  function child(made: Setting): ChildProcess & { text: () => Promise<string> } {
    const argv = [CHILD, made.folder, made.server.url, made.repository.signedBy ?? ''];
    const process_ = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void process_.kill('SIGKILL'));
    const chunks: Buffer[] = [];
    process_.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const text = async () => {
      if (process_.exitCode === null && process_.signalCode === null) await once(process_, 'close');
      return Buffer.concat(chunks).toString();
    };
    return Object.assign(process_, { text });
  }

  test('in one worker share an update that has not begun, and ask each question once', async () => {
    const made = await published();
    const locks = await Promise.all(Array.from({ length: 10 }, () => made.resolve({})));
    expect(new Set(locks.map((lock) => JSON.stringify(lock))).size).toBe(1);
    expect(made.server.requests.filter((each) => each.endsWith('InRelease')).length).toBeLessThanOrEqual(2);
  });

  test('in two workers give the same', async () => {
    const made = await published();
    const children = [child(made), child(made)];
    const [lock, ...others] = await Promise.all([made.resolve({}), ...children.map((each) => each.text())]);
    for (const other of others) expect(other).toBe(JSON.stringify(lock));
  });

  test('one that is killed in the middle of its update leaves nothing in the way', async () => {
    const made = await published();
    const reached = Promise.withResolvers<void>();
    made.server.behaviour = (request) => {
      if (!request.url?.includes('Packages')) return false;
      reached.resolve();
      return true;
    };
    const other = child(made);
    await reached.promise;
    other.kill('SIGKILL');
    await other.text();
    made.server.behaviour = () => false;
    expect(wanted(await made.resolve({}))).toBe('1.0');
  });
});
