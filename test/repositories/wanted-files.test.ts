import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createTransport } from '../../repositories/transport.ts';
import { wantedFile } from '../../repositories/wanted-files.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Behaviour, serve } from './fixtures/server.ts';

const TEXT = 'x'.repeat(100_000);
const SHA256 = createHash('sha256').update(TEXT).digest('hex');

async function sizeFrom(behaviour: Behaviour, sha256 = SHA256) {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'web'));
  await writeFile(join(folder, 'web/file'), TEXT);
  const server = await serve(join(folder, 'web'));
  server.behaviour = behaviour;
  const transport = createTransport({ stallMs: 2000 });
  onTestFinished(async () => {
    transport.close();
    await server[Symbol.asyncDispose]();
  });
  const store = createDirectoryStore({ directory: folder });
  const file = { name: 'file', sha256, url: `${server.url}/file` };
  const signal = AbortSignal.timeout(10_000);
  return await wantedFile(file, { store, transport }, signal);
}

/** Without Content-Length. */
const chunked: Behaviour = (_, response) => {
  response.write(TEXT.slice(0, 50_000));
  response.end(TEXT.slice(50_000));
  return true;
};

test('the size of a file is what its server says, without reading it', async () => {
  let taken = 0;
  const { size } = await sizeFrom((_, response) => {
    response.writeHead(200, { 'content-length': 5_000_000_000 });
    response.on('drain', () => {
      taken += 1;
    });
    response.write(TEXT);
    return true;
  });
  expect(size).toBe(5_000_000_000);
  expect(taken).toBeLessThan(10);
});

test('where the server does not say it the file is read, and its digest checked at once', async () => {
  expect(await sizeFrom(chunked)).toMatchObject({ size: 100_000, sha256: SHA256 });
  await expect(sizeFrom(chunked, 'a'.repeat(64))).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringContaining(`has SHA-256 ${SHA256} instead of`),
    more: { items: ['file'] },
  });
});

test.each<[string, Behaviour, string]>([
  ['is not there', (_, response) => Boolean(response.writeHead(404).end()), 'InvalidRequest'],
  ['cannot be given now', (_, response) => Boolean(response.writeHead(503).end()), 'DownloadFailed'],
  [
    'breaks off',
    (_, response) => {
      response.write(TEXT);
      setTimeout(() => response.destroy(), 50);
      return true;
    },
    'DownloadFailed',
  ],
])('a file that %s', async (_, behaviour, type) => {
  await expect(sizeFrom(behaviour)).rejects.toMatchObject({ type });
});
