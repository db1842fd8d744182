import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { recipes } from '../../recipes/index.ts';
import { createInputCache } from '../../repositories/cache.ts';
import { type HostSourcesOptions, hostRepositories } from '../../repositories/host-sources.ts';
import { createAptResolver } from '../../repositories/resolve.ts';
import { inputsOf } from '../../schema/lock.ts';
import { BuildRequest } from '../../schema/request.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { publish } from './fixtures/archive.ts';
import { DIRECT, type Setting, setting } from './fixtures/setting.ts';

/** A machine of the distribution `toy`, release `tiny`, with the suites of its archive published. */
async function machine(): Promise<Setting & { etc: string; options: HostSourcesOptions }> {
  const made = await setting();
  const etc = join(made.folder, 'etc');
  await mkdir(join(etc, 'sources.list.d'), { recursive: true });
  await mkdir(join(etc, 'keyrings'));
  await writeFile(join(etc, 'os-release'), 'ID=toy\nVERSION_ID="1"\nVERSION_CODENAME=tiny\n');
  const keyring = join(etc, 'keyrings/toy-archive-keyring.gpg');
  await copyFile(await made.key.publicKey('binary'), keyring);
  await mkdir(join(made.archive, 'pool'));
  for (const part of ['', '-updates', '-security', '-backports']) {
    await publish(made.archive, { key: made.key, suite: `tiny${part}` });
  }
  const options = {
    directory: join(made.folder, 'apt'),
    etc,
    osRelease: join(etc, 'os-release'),
    keyrings: join(etc, 'keyrings'),
    proxies: DIRECT,
  };
  return { ...made, etc, options };
}

async function suites(options: HostSourcesOptions): Promise<string[]> {
  return (await hostRepositories(options)).flatMap((each) => each.suites).sort();
}

describe('the sources of a machine', () => {
  test('are read in both formats, before any update, binary-only entries too; backports are left out', async () => {
    const { etc, options, server } = await machine();
    await writeFile(join(etc, 'sources.list'), `deb [arch=amd64] ${server.url} tiny main # a comment\n`);
    await writeFile(
      join(etc, 'sources.list.d/more.sources'),
      `Types: deb\nURIs: ${server.url}\nSuites: tiny-updates tiny-security tiny-backports\nComponents: main\n`,
    );
    const expected = ['tiny', 'tiny-security', 'tiny-updates'];
    // Two at a time, as two builds may ask.
    expect(await Promise.all([suites(options), suites(options)])).toEqual([expected, expected]);
  });

  test('give the distribution its own, whatever others call themselves', async () => {
    const { archive, etc, newKey, options, server } = await machine();
    const other = join(archive, 'other');
    await mkdir(join(other, 'pool'), { recursive: true });
    await publish(other, { key: await newKey('other'), suite: 'tiny' });
    await writeFile(
      join(etc, 'sources.list'),
      `deb ${server.url} tiny main\ndeb ${server.url}/other tiny main\n`,
    );
    expect((await hostRepositories(options)).map((each) => each.uris)).toEqual([[`${server.url}/`]]);
  });

  test('without any of the distribution: the error says what to configure', async () => {
    const { etc, options } = await machine();
    await writeFile(join(etc, 'sources.list'), '');
    await expect(hostRepositories(options)).rejects.toMatchObject({
      type: 'HostUnfit',
      more: { advice: expect.stringMatching(/repositories:\n {2}- uris: .*\n {4}suites: \[tiny\]/) },
    });
  });

  test('without the keyring of the distribution: the error names it', async () => {
    const { options } = await machine();
    await expect(hostRepositories({ ...options, keyrings: '/nowhere' })).rejects.toMatchObject({
      type: 'HostUnfit',
      message: expect.stringMatching(/toy-archive-keyring\.gpg is missing/),
    });
  });

  test('that are out of reach are an outage: security updates must not get lost quietly', async () => {
    const { etc, options, server } = await machine();
    await writeFile(
      join(etc, 'sources.list'),
      `deb ${server.url} tiny main\ndeb http://127.0.0.1:9 tiny-security main\n`,
    );
    await expect(hostRepositories(options)).rejects.toMatchObject({ type: 'DownloadFailed' });
  });
});

test("resolves hello from this machine's own Debian sources, fetches its .dsc, finds the kernel", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'store'));
  const store = createDirectoryStore({ directory: join(folder, 'store') });
  const download = createInputCache({ directory: join(folder, 'cache'), store });
  onTestFinished(() => download.close());
  const directory = join(folder, 'apt');
  const resolver = createAptResolver({
    store,
    repositories: () => hostRepositories({ directory }),
    directory,
    kernelPackage: 'linux-image-cloud-amd64',
    download,
    recipes,
  });
  const request = BuildRequest.parse({ recipe: { kind: 'debian', source: { name: 'hello' } } });
  const context = { signal: AbortSignal.timeout(110_000), report: () => {} };
  const lock = await resolver.resolve(request, context);
  expect(lock.source).toMatchObject({ name: 'hello', dsc: expect.stringMatching(/^hello_.*\.dsc$/) });
  const packages = [...lock.base, ...lock.dependencies];
  expect(packages.length).toBeGreaterThan(150);
  expect(new Set(packages.map((each) => each.package)).size).toBe(packages.length);
  for (const name of ['libc6', 'dpkg', 'gcc', 'fakeroot', 'debhelper', 'base-passwd']) {
    expect(packages.map((each) => each.package)).toContain(name);
  }
  expect(lock.base.map((each) => each.package)).not.toContain('apt');
  expect(lock.kernel?.package).toMatch(/^linux-image-\d.*-cloud-amd64$/);
  for (const file of inputsOf(lock)) {
    expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(file.size).toBeGreaterThan(100);
    expect(file.urls.length).toBeGreaterThan(0);
  }
  expect(lock.repositories.some((each) => each.suite.endsWith('-security'))).toBe(true);
  expect((await readdir(directory)).sort()).toEqual(['machine', 'sets']);
}, 120_000);
