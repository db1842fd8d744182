import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { recipes } from '../../recipes/index.ts';
import { createInputCache } from '../../repositories/cache.ts';
import { type HostSourcesOptions, hostRepositories } from '../../repositories/host-sources.ts';
import { machineRepositories } from '../../repositories/machine-repositories.ts';
import { withOwnRepositories } from '../../repositories/own-repositories.ts';
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

describe('the repositories of a machine, remembered', () => {
  async function remembering() {
    const made = await machine();
    await writeFile(join(made.etc, 'sources.list'), `deb ${made.server.url} tiny main\n`);
    const own = machineRepositories(made.options);
    const found = async () => (await own(AbortSignal.timeout(20_000))).flatMap(({ suites: of }) => of);
    return { ...made, own, found };
  }

  test('are looked for once a minute; at once where the sources or the keyring are others', async () => {
    const { own, found, etc, server, options, newKey } = await remembering();
    expect(await own.last?.()).toBeUndefined();
    expect(await Promise.all([found(), found(), found()])).toEqual([['tiny'], ['tiny'], ['tiny']]);
    const asked = server.requests.length;
    expect(await found()).toEqual(['tiny']);
    expect(server.requests).toHaveLength(asked);
    await writeFile(join(etc, 'sources.list'), `deb ${server.url} tiny-updates main\n`);
    expect(await found()).toEqual(['tiny-updates']);
    expect(await own.last?.()).toMatchObject([{ suites: ['tiny-updates'] }]);
    const keyring = join(options.keyrings ?? '', 'toy-archive-keyring.gpg');
    await copyFile(await (await newKey('other')).publicKey('binary'), keyring);
    await expect(found()).rejects.toMatchObject({ type: 'HostUnfit' });
  });

  test('are looked for again after a minute, and where what is remembered is damaged', async () => {
    const { found, server, options } = await remembering();
    const path = join(options.directory, 'machine/last.json');
    await found();
    const later = JSON.parse(await readFile(path, 'utf8'));
    for (const text of [JSON.stringify({ ...later, at: later.at - 61_000 }), '{', '']) {
      await writeFile(path, text);
      const asked = server.requests.length;
      expect(await found()).toEqual(['tiny']);
      expect(server.requests.length).toBeGreaterThan(asked);
    }
  });
});

describe('work with repositories that may be others by now', () => {
  const [old, now] = ['old', 'now'].map((suite) => [{ uris: ['http://x'], suites: [suite], components: [] }]);
  const own = (last: typeof old, current: () => Promise<NonNullable<typeof old>>) =>
    Object.assign(current, { last: async () => last });
  const signal = new AbortController().signal;
  const suite = async (repositories: readonly { suites: readonly string[] }[]) => repositories[0]?.suites[0];

  test('is done once where they are the same, and again where they are not', async () => {
    const done: (string | undefined)[] = [];
    const work = async (of: readonly { suites: readonly string[] }[]) => {
      done.push(await suite(of));
      return done.at(-1);
    };
    expect(
      await withOwnRepositories(
        own(now, async () => now ?? []),
        signal,
        work,
      ),
    ).toBe('now');
    expect(
      await withOwnRepositories(
        own(undefined, async () => now ?? []),
        signal,
        work,
      ),
    ).toBe('now');
    expect(
      await withOwnRepositories(
        own(old, async () => now ?? []),
        signal,
        work,
      ),
    ).toBe('now');
    expect(done).toEqual(['now', 'now', 'old', 'now']);
  });

  test('does not wait for what was begun in vain, and tells why they cannot be told', async () => {
    const stuck = async (of: readonly { suites: readonly string[] }[], stop: AbortSignal) => {
      if ((await suite(of)) === 'now') return 'now';
      await once(stop, 'abort');
      throw stop.reason;
    };
    expect(
      await withOwnRepositories(
        own(old, async () => now ?? []),
        signal,
        stuck,
      ),
    ).toBe('now');
    const fails = () => Promise.reject(new Error('out of reach'));
    await expect(withOwnRepositories(own(old, fails), signal, stuck)).rejects.toThrow('out of reach');
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
    repositories: machineRepositories({ directory }),
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
