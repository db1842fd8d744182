import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { run } from '../../host/run.ts';
import { buildDeb } from '../support/deb.ts';
import { putResult } from '../support/results.ts';
import { publishing } from './fixtures/publishing.ts';

afterEach(() => {
  vi.useRealTimers();
});

const HELLO = { package: 'hello', files: { '/usr/share/hello': 'hello' } };

describe('a real apt', () => {
  test('installs from it, and gets the source package', async () => {
    const { into, publish, built, builtSource, system } = await publishing();
    const results = [
      await built(HELLO),
      await built({ package: 'libhello', architecture: 'all', version: '1:2-3' }),
    ];
    const published = await publish([...results, await builtSource('tiny', '1.0')]);
    expect(published.added.flatMap(({ files }) => files).sort()).toEqual([
      'pool/main/h/hello/hello_1.0_amd64.deb',
      'pool/main/libh/libhello/libhello_2-3_all.deb',
      'pool/main/t/tiny/tiny_1.0.dsc',
      'pool/main/t/tiny/tiny_1.0.tar.xz',
    ]);
    expect(published).toMatchObject({ suites: ['stable'], architectures: ['amd64'], skipped: [] });
    const { root, apt, update, install } = await system();
    await update();
    await install('hello', 'libhello=1:2-3');
    expect(await readFile(join(root, 'usr/share/hello'), 'utf8')).toBe('hello');
    expect(await readFile(join(root, 'var/lib/dpkg/status'), 'utf8')).toContain('Package: libhello');
    await apt.run(['apt-get', 'source', '-q', '--download-only', 'tiny']);
    expect(await readdir(apt.directory)).toContain('tiny_1.0.dsc');
    const release = await readFile(join(into, 'dists/stable/Release'), 'utf8');
    expect(release).toMatch(/^Origin: slipway$/m);
    expect(release).toMatch(/^Acquire-By-Hash: yes$/m);
    expect(release).not.toContain('MD5Sum');
  });

  test('verifies InRelease, and Release with its signature, with the keyring beside them', async () => {
    const { into, publish, built } = await publishing();
    const { key } = await publish([await built(HELLO)]);
    const gpgv = ['gpgv', '--status-fd', '1', '--keyring', join(into, 'keyring.gpg')] as const;
    const dists = join(into, 'dists/stable');
    const said = await run([...gpgv, join(dists, 'InRelease')]);
    expect(said.stdout).toContain(`VALIDSIG ${key}`);
    await run([...gpgv, join(dists, 'Release.gpg'), join(dists, 'Release')]);
    expect(await readFile(join(into, 'keyring.asc'), 'utf8')).toContain('BEGIN PGP PUBLIC KEY BLOCK');
  });

  test('sees older versions beside the newer, in all suites and components', async () => {
    const { publish, built, system } = await publishing();
    const old = await built(HELLO);
    await publish([old]);
    await publish([await built({ ...HELLO, version: '1.0+1' })], { component: 'extra' });
    const again = await publish([old, await built({ ...HELLO, version: '1.10' })]);
    expect(again.added.map(({ version }) => version)).toEqual(['1.10']);
    expect(again.unchanged.map(({ version }) => version)).toEqual(['1.0']);
    await publish([old], { suite: 'other' });
    const { apt, update } = await system();
    await update();
    const { stdout } = await apt.run(['apt-cache', 'madison', 'hello']);
    expect([...stdout.matchAll(/hello \| +(\S+) \|/g)].map(([, version]) => version)).toEqual([
      '1.10',
      '1.0',
    ]);
  });

  test('reads a whole state at any moment while it is published into', async () => {
    const { publish, built, system } = await publishing();
    await publish([await built(HELLO)]);
    const { apt, update } = await system();
    let isOver = false;
    const publishes = (async () => {
      for (let version = 2; version < 7; version++)
        await publish([await built({ ...HELLO, version: `${version}` })]);
      isOver = true;
    })();
    let updates = 0;
    const updated = (async () => {
      while (!isOver) {
        await update();
        updates += 1;
      }
    })();
    await Promise.all([publishes, updated]);
    expect(updates).toBeGreaterThan(2);
    await update();
    expect((await apt.run(['apt-cache', 'madison', 'hello'])).stdout.trim().split('\n')).toHaveLength(6);
  });

  test('that has read a Release file finds what it names after later publishes', async () => {
    const { into, publish, built, server } = await publishing();
    await publish([await built(HELLO)]);
    const release = await readFile(join(into, 'dists/stable/Release'), 'utf8');
    await publish([await built({ ...HELLO, version: '2' })]);
    await publish([await built({ ...HELLO, version: '3' })]);
    const listed = [...release.matchAll(/^ ([0-9a-f]{64}) +\d+ (\S+)\/(Packages|Sources)\S*$/gm)];
    expect(listed).toHaveLength(6);
    for (const [, digest, folder] of listed) {
      const url = `${server.url}/dists/stable/${folder}/by-hash/SHA256/${digest}`;
      expect((await fetch(url)).status, url).toBe(200);
    }
  });
});

describe('architectures of a new suite', () => {
  const native = async () => (await run(['dpkg', '--print-architecture'])).stdout.trim();
  const ALL = { package: 'everywhere', architecture: 'all' };

  test('are those built for, that of this host, and those named, where all packages are for all', async () => {
    const { publish, built } = await publishing();
    const result = await built(ALL, { request: { architecture: 'armhf' } });
    const { architectures } = await publish([result], { architectures: ['riscv64'] });
    expect(architectures).toEqual([...new Set(['armhf', 'riscv64', await native()])].sort());
  });

  test('are those of the packages and those named, where there are such', async () => {
    const { publish, built } = await publishing();
    const results = [await built(ALL), await built({ package: 'here', architecture: 's390x' })];
    expect((await publish(results, { architectures: ['arm64'] })).architectures).toEqual(['arm64', 's390x']);
  });
});

test('what another component has already stays there, and that is said', async () => {
  const { publish, built } = await publishing();
  const result = await built(HELLO);
  await publish([result], { component: 'contrib' });
  const { added, unchanged, component } = await publish([result]);
  expect({ added, component }).toEqual({ added: [], component: 'main' });
  expect(unchanged).toMatchObject([
    { package: 'hello', component: 'contrib', files: ['pool/contrib/h/hello/hello_1.0_amd64.deb'] },
  ]);
});

test('without results one suite can be written anew, or all', async () => {
  const { into, publish, built } = await publishing();
  const result = await built(HELLO);
  for (const suite of ['stable', 'testing']) await publish([result], { suite });
  const release = () => readFile(join(into, 'dists/stable/Release'), 'utf8');
  const before = await release();
  const one = await publish([], { suite: 'testing', validSeconds: 60 });
  expect(one.suites).toEqual(['testing']);
  expect(one.component).toBeUndefined();
  expect(await release()).toBe(before);
  expect((await publish([], { suite: undefined })).suites).toEqual(['stable', 'testing']);
  expect(await release()).toContain('Valid-Until');
});

test('results without any package are left out where that is asked for', async () => {
  const { store, publish, built } = await publishing();
  const plain = await putResult(store, { name: 'plain' });
  const { added, skipped } = await publish([plain, await built(HELLO)], { skipEmpty: true });
  expect(added).toMatchObject([{ package: 'hello' }]);
  expect(skipped).toEqual([{ build: plain.build, reason: expect.stringContaining('no package') }]);
});

describe('what was replaced', () => {
  test('lingers for a day, then goes, with the files that only it had', async () => {
    const { into, publish, built } = await publishing();
    vi.useFakeTimers({ toFake: ['Date'] });
    await publish([await built(HELLO), await built({ package: 'other' })]);
    const { removed } = await publish([await built({ ...HELLO, version: '2' })], { keep: 1 });
    expect(removed.map(({ package: name, version }) => `${name} ${version}`)).toEqual(['hello 1.0']);
    const pool = () => readdir(join(into, 'pool/main/h/hello'));
    const packages = await readFile(join(into, 'dists/stable/main/binary-amd64/Packages'), 'utf8');
    expect([...packages.matchAll(/^Filename: \S+\/(\S+)$/gm)].map(([, name]) => name)).toEqual([
      'hello_2_amd64.deb',
      'other_1.0_amd64.deb',
    ]);
    expect(await pool()).toEqual(['hello_1.0_amd64.deb', 'hello_2_amd64.deb']);
    vi.setSystemTime(Date.now() + 25 * 3600 * 1000);
    await publish([]);
    expect(await pool()).toEqual(['hello_2_amd64.deb']);
    expect(await readdir(join(into, '.slipway/dists/stable'))).toHaveLength(2);
    expect(await readdir(join(into, 'pool/main/o/other'))).toHaveLength(1);
  });

  test('keeps the newest versions by the rules of Debian, of packages and sources each', async () => {
    const { publish, built, builtSource } = await publishing();
    const versions = ['1.9', '1.10', '1.10~rc1', '1:0.1'];
    const results = [];
    for (const version of versions) results.push(await built({ ...HELLO, version }));
    for (const version of ['1.0', '2.0']) results.push(await builtSource('hello', version));
    const { added, removed, tooOld } = await publish(results, { keep: 2 });
    expect(added.map(({ version }) => version).sort()).toEqual(['1.0', '1.10', '1:0.1', '2.0']);
    expect(tooOld.map(({ version }) => version).sort()).toEqual(['1.10~rc1', '1.9']);
    expect(removed).toEqual([]);
    const older = await publish(results.slice(0, 2), { keep: 1 }).catch((error: Error) => error.message);
    expect(older).toContain('nothing would be published');
  });
});

test('publishes at the same time wait for each other, and nothing is lost', async () => {
  const { into, publish, built } = await publishing();
  const names = ['a1', 'b2', 'c3', 'd4'];
  const results = await Promise.all(names.map((name) => built({ package: name })));
  await Promise.all(results.map((result) => publish([result])));
  const packages = await readFile(join(into, 'dists/stable/main/binary-amd64/Packages'), 'utf8');
  expect([...packages.matchAll(/^Package: (\S+)$/gm)].map(([, name]) => name)).toEqual(names);
});

test('what a build did not put out of its source package is said, and the rest published', async () => {
  const { folder, store, publish, builtSource } = await publishing();
  const whole = await builtSource('tiny', '1.0');
  const dsc = join(folder, 'work/tiny-1.0/pool/tiny_1.0.dsc');
  const deb = await buildDeb(folder, { package: 'tiny' });
  const result = await putResult(store, { name: 'tiny', version: '1', artifacts: [dsc, deb.path] });
  const { added, skipped } = await publish([result]);
  expect(added.map(({ architecture }) => architecture)).toEqual(['all']);
  expect(skipped).toEqual([
    { build: result.build, file: 'tiny_1.0.dsc', reason: 'the build did not put out tiny_1.0.tar.xz' },
  ]);
  expect((await publish([whole])).skipped).toEqual([]);
});
