import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporalAddress, workflowUrl } from '../../workers/temporal-address.ts';
import {
  findTemporal,
  isThere,
  startTemporalServer,
  temporalAnswers,
} from '../../workers/temporal-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SERVER = resolve(import.meta.dirname, '..', '..', 'workers', 'temporal-server.ts');

describe('startTemporalServer', () => {
  it('answers with its Web UI, on other ports where the usual ones are taken, until it is stopped', async () => {
    const state = await temporaryFolder();
    const first = await startTemporalServer(state);
    onTestFinished(() => first.stop());
    const second = await startTemporalServer(await temporaryFolder());
    onTestFinished(() => second.stop());
    expect(second.address).not.toBe(first.address);
    for (const { address, webUrl } of [first, second]) {
      expect(await temporalAnswers({ address }, 'default')).toBe(true);
      expect((await fetch(webUrl)).status).toBe(200);
    }
    expect(await temporalAddress(state)).toMatchObject({
      address: first.address,
      webUrl: first.webUrl,
      from: 'dev',
    });
    await first.stop();
    expect(existsSync(`/proc/${first.pid}`)).toBe(false);
    expect(await temporalAnswers({ address: first.address }, 'default', 500)).toBe(false);
    expect(await temporalAddress(state)).toMatchObject({ from: 'stopped', address: first.address });
    // Once more is nothing.
    await first.stop();
  });

  it('keeps what it knows from one start to the next, and its ports where they are free', async () => {
    const usual = await startTemporalServer(await temporaryFolder());
    onTestFinished(() => usual.stop());
    const state = await temporaryFolder();
    const first = await startTemporalServer(state);
    await first.stop();
    expect(existsSync(join(state, 'temporal', 'server.db'))).toBe(true);
    // Also where the usual ones have become free.
    await usual.stop();
    const second = await startTemporalServer(state);
    onTestFinished(() => second.stop());
    expect(second).toMatchObject({ address: first.address, webUrl: first.webUrl });
    await second.stop();
    const taker = createServer().listen(Number(first.address.split(':')[1]), '127.0.0.1');
    onTestFinished(() => void taker.close());
    await once(taker, 'listening');
    const third = await startTemporalServer(state);
    onTestFinished(() => third.stop());
    expect(third.address).not.toBe(first.address);
  });

  it('is not mistaken for the server of another home that has its address, or its pid, now', async () => {
    const other = await startTemporalServer(await temporaryFolder());
    onTestFinished(() => other.stop());
    const state = await temporaryFolder();
    await mkdir(join(state, 'temporal'));
    const { address, webUrl, pid } = other;
    await writeFile(join(state, 'temporal', 'server.json'), JSON.stringify({ address, webUrl, pid }));
    const temporal = await temporalAddress(state);
    expect(temporal.from).toBe('stopped');
    expect(await isThere(temporal)).toBe(false);
    expect(await temporalAnswers(temporal.connection, temporal.namespace)).toBe(true);
  });

  it('ends with the program that started it, also when that is killed', async () => {
    const state = await temporaryFolder();
    const program = `const { startTemporalServer } = await import(${JSON.stringify(SERVER)});
      console.log((await startTemporalServer(${JSON.stringify(state)})).pid); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(child.stdout, 'data');
    const pid = Number(String(line));
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const deadline = performance.now() + 15_000;
    while (existsSync(`/proc/${pid}`) && performance.now() < deadline)
      await new Promise((go) => setTimeout(go, 100));
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    // Its record is still there; nobody takes it for a server.
    expect((await temporalAddress(state)).from).toBe('stopped');
  });

  it('has no address of its own before its first start', async () => {
    expect(await temporalAddress(await temporaryFolder())).toMatchObject({
      address: '127.0.0.1:7233',
      from: 'default',
    });
  });

  it('says why it did not start, with the end of its log', async () => {
    const executable = join(await temporaryFolder(), 'temporal');
    await writeFile(executable, '#!/bin/sh\necho no such thing >&2\nexit 1\n', { mode: 0o755 });
    await expect(startTemporalServer(await temporaryFolder(), { executable })).rejects.toMatchObject({
      type: 'HostUnfit',
      message: 'The Temporal server ended at once.',
      more: { lastLines: ['no such thing'] },
    });
  });
});

describe('findTemporal', () => {
  it('passes over what does not run, and says what to do where there is none', async () => {
    const [broken, empty] = [await temporaryFolder(), await temporaryFolder()];
    await writeFile(join(broken, 'temporal'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const path = process.env.PATH;
    onTestFinished(() => {
      process.env.PATH = path;
    });
    process.env.PATH = broken;
    await expect(findTemporal(empty)).rejects.toThrow('There is no Temporal server');
    const good = await temporaryFolder();
    await writeFile(join(good, 'temporal'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    expect(await findTemporal(good)).toBe(join(good, 'temporal'));
    expect(await readFile(join(good, 'temporal'), 'utf8')).toContain('exit 0');
  });
});

it('links to a workflow whose id has slashes', () => {
  expect(workflowUrl('http://web.example/', 'my ns', 'build/a+b/0', 'r')).toBe(
    'http://web.example/namespaces/my%20ns/workflows/build%2Fa%2Bb%2F0/r',
  );
});
