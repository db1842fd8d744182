import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lock } from '../../schema/lock.ts';
import { buildDeb } from '../support/deb.ts';
import { addPackages, addSource, BASIC_PACKAGES, type Package, publish } from './fixtures/archive.ts';
import { type Setting, setting } from './fixtures/setting.ts';

const DIGEST = 'a'.repeat(64);

interface Content {
  packages?: readonly Package[];
  /** Fields of the source package `tiny`. */
  source?: Record<string, string>;
  architectures?: readonly string[];
}

async function published({ packages = [], source = {}, ...release }: Content = {}): Promise<Setting> {
  const made = await setting();
  await addPackages(made.archive, [...BASIC_PACKAGES, ...packages]);
  await addSource(made.archive, { name: 'tiny', version: '1.0', fields: source });
  await publish(made.archive, { key: made.key, ...release });
  return made;
}

function names(packages: Lock['base']): string[] {
  return packages.map((each) => `${each.package}=${each.version}:${each.architecture}`);
}

describe('a cross build', () => {
  const both = (fields: Package): Package[] => [
    { ...fields, Architecture: 'amd64', 'Multi-Arch': 'same' },
    { ...fields, Architecture: 'arm64', 'Multi-Arch': 'same' },
  ];
  const PACKAGES: Package[] = [
    { Package: 'crossbuild-essential-arm64', Architecture: 'all', Depends: 'gcc-for-arm64' },
    { Package: 'gcc-for-arm64' },
    ...both({ Package: 'libc-dev' }),
    ...both({ Package: 'libstdc++-dev' }),
    ...both({ Package: 'libfoo-dev', Depends: 'libfoo1' }),
    ...both({ Package: 'libfoo1' }),
    { Package: 'a-tool', 'Multi-Arch': 'foreign' },
    { Package: 'test-tool' },
    { Package: 'code-generator' },
  ];
  const source = { 'Build-Depends': 'libfoo-dev, a-tool, code-generator:native, test-tool <!nocheck>' };

  test('wants libraries of what is built for, tools of what builds, and leaves out tests', async () => {
    const { resolve } = await published({
      packages: PACKAGES,
      source,
      architectures: ['amd64', 'arm64'],
    });
    const lock = await resolve({ options: { crossFor: 'arm64' } });
    expect(names(lock.dependencies)).toEqual([
      'a-tool=1.0:amd64',
      'code-generator=1.0:amd64',
      'crossbuild-essential-arm64=1.0:all',
      'gcc-for-arm64=1.0:amd64',
      'libc-dev=1.0:arm64',
      'libfoo-dev=1.0:arm64',
      'libfoo1=1.0:arm64',
      'libstdc++-dev=1.0:arm64',
    ]);
    expect(names(lock.base)).toEqual(names((await resolve({})).base));
    expect(lock.architecture).toBe('amd64');
  });

  test('installs a library for both, where a tool of the build has the other one', async () => {
    const { resolve } = await published({
      packages: [...PACKAGES, { Package: 'linked-tool', Depends: 'libfoo1' }],
      source: { 'Build-Depends': 'libfoo-dev, linked-tool:native' },
      architectures: ['amd64', 'arm64'],
    });
    const { dependencies } = await resolve({ options: { crossFor: 'arm64' } });
    expect(names(dependencies)).toEqual(expect.arrayContaining(['libfoo1=1.0:amd64', 'libfoo1=1.0:arm64']));
  });

  test('cannot be, where the repositories do not have that architecture: what is missing is named', async () => {
    const { resolve } = await published({ packages: PACKAGES, source });
    await expect(resolve({ options: { crossFor: 'arm64' } })).rejects.toMatchObject({
      type: 'UnresolvableDependencies',
      more: { items: expect.arrayContaining([expect.stringContaining('libfoo-dev')]) },
    });
  });
});

describe('profiles', () => {
  test.each([
    [[], ['always=1.0:amd64', 'test-tool=1.0:amd64']],
    [['nocheck'], ['always=1.0:amd64']],
    [
      ['stage1', 'nocheck'],
      ['always=1.0:amd64', 'bootstrap=1.0:amd64'],
    ],
  ])('%j select build dependencies', async (profiles, expected) => {
    const { resolve } = await published({
      packages: [{ Package: 'always' }, { Package: 'test-tool' }, { Package: 'bootstrap' }],
      source: { 'Build-Depends': 'always, test-tool <!nocheck>, bootstrap <stage1>' },
    });
    expect(names((await resolve({ options: { profiles } })).dependencies)).toEqual(expected);
  });
});

describe('pins', () => {
  const PACKAGES = ['1.1', '1.2', '2.0'].map((Version) => ({ Package: 'libfoo', Version }));
  const source = { 'Build-Depends': 'libfoo' };

  test.each<[object[], string]>([
    [[], '2.0'],
    [[{ package: 'libfoo', pin: 'version 1.*', priority: 990 }], '1.2'],
    [[{ package: 'lib*', pin: 'version 1.1', priority: 990 }], '1.1'],
    [[{ package: 'libfoo', pin: 'version 2.0', priority: -1 }], '1.2'],
    [[{ package: 'other', pin: 'version 1.1', priority: 990 }], '2.0'],
  ])('%j lead to version %s', async (pins, version) => {
    const { resolve } = await published({ packages: PACKAGES, source });
    expect(names((await resolve({ options: { pins } })).dependencies)).toEqual([`libfoo=${version}:amd64`]);
  });

  test('that forbid a whole repository leave nothing', async () => {
    const { resolve } = await published({ packages: PACKAGES, source });
    const pins = [{ package: '*', pin: 'release a=tiny', priority: -1 }];
    await expect(resolve({ options: { pins } })).rejects.toMatchObject({ type: 'UnresolvableDependencies' });
  });

  test('of one request are not there for the next one', async () => {
    const { resolve } = await published({ packages: PACKAGES, source });
    const pins = [{ package: 'libfoo', pin: 'version 1.1', priority: 990 }];
    await resolve({ options: { pins } });
    expect(names((await resolve({})).dependencies)).toEqual(['libfoo=2.0:amd64']);
  });
});

describe('local packages', () => {
  const source = { 'Build-Depends': 'libfoo' };

  async function withLocal(version: string, more: object = {}) {
    const made = await published({
      packages: [{ Package: 'libfoo', Version: '2.0' }, { Package: 'libbar' }],
      source,
    });
    const deb = await buildDeb(made.folder, { package: 'libfoo', version, architecture: 'amd64', ...more });
    return { ...made, local: { name: 'My own libfoo.deb', sha256: await made.put(deb.path) } };
  }

  test.each(['1.5', '2.0', '3.0'])('of version %s are preferred, and blobs in the lock', async (version) => {
    const { resolve, local } = await withLocal(version);
    const lock = await resolve({ options: { localPackages: [local] } });
    expect(lock.dependencies).toEqual([
      expect.objectContaining({ package: 'libfoo', version, urls: [], sha256: local.sha256 }),
    ]);
    expect(lock.repositories).toHaveLength(1);
    expect(Lock.parse(JSON.parse(JSON.stringify(lock)))).toEqual(lock);
  });

  test('bring their own dependencies from the repositories', async () => {
    const { resolve, local } = await withLocal('3.0', { fields: { Depends: 'libbar' } });
    const lock = await resolve({ options: { localPackages: [local] } });
    expect(names(lock.dependencies)).toEqual(['libbar=1.0:amd64', 'libfoo=3.0:amd64']);
  });

  test('may replace a package of the base', async () => {
    const made = await published();
    const deb = await buildDeb(made.folder, {
      package: 'tiny-base',
      version: '0.1',
      architecture: 'amd64',
      fields: { Essential: 'yes' },
    });
    const localPackages = [{ name: 'tiny-base.deb', sha256: await made.put(deb.path) }];
    expect(names((await made.resolve({ options: { localPackages } })).base)).toContain('tiny-base=0.1:amd64');
  });

  test('that nothing needs are not installed, nor kept for the next request', async () => {
    const { resolve, local, folder, put } = await withLocal('3.0');
    const other = await buildDeb(folder, { package: 'unneeded' });
    const unneeded = { name: 'unneeded.deb', sha256: await put(other.path) };
    expect(names((await resolve({ options: { localPackages: [unneeded] } })).dependencies)).toEqual([
      'libfoo=2.0:amd64',
    ]);
    await resolve({ options: { localPackages: [local] } });
    expect(names((await resolve({})).dependencies)).toEqual(['libfoo=2.0:amd64']);
  });

  test('are never what the guest boots, whatever they call themselves', async () => {
    const { resolve, folder, put } = await withLocal('3.0');
    const fake = await buildDeb(folder, {
      package: 'linux-image-6.2-cloud-amd64',
      version: '6.2-1',
      architecture: 'amd64',
    });
    const localPackages = [{ name: 'kernel.deb', sha256: await put(fake.path) }];
    const { kernel } = await resolve({ options: { localPackages } });
    expect(kernel?.sha256).not.toBe(localPackages[0]?.sha256);
    expect(kernel?.urls).toEqual([expect.stringMatching(/^http:/)]);
  });

  test('yield to a pin of the request that names another version', async () => {
    const { resolve, local } = await withLocal('3.0');
    const pins = [{ package: 'libfoo', pin: 'version 3.0', priority: -1 }];
    expect(names((await resolve({ options: { localPackages: [local], pins } })).dependencies)).toEqual([
      'libfoo=2.0:amd64',
    ]);
  });

  test('are refused where the store has none, where they are no packages, or of another architecture', async () => {
    const { resolve, folder, put } = await withLocal('3.0');
    const refused = (sha256: string, type: string, message: string) =>
      expect(resolve({ options: { localPackages: [{ name: 'x.deb', sha256 }] } })).rejects.toMatchObject({
        type,
        message: expect.stringContaining(message),
        more: { items: ['x.deb'] },
      });
    await refused(DIGEST, 'InvalidRequest', 'the store has no blob');
    await writeFile(join(folder, 'junk'), 'junk');
    await refused(await put(join(folder, 'junk')), 'InputRejected', 'x.deb is no Debian package');
    const foreign = await buildDeb(folder, { package: 'libfoo', architecture: 'armhf' });
    await refused(await put(foreign.path), 'InputRejected', 'x.deb is for armhf, the build has amd64');
  });
});

test('a seed of ccache is in the lock beside the source, and ccache among the packages', async () => {
  const { resolve, folder, put } = await published({ packages: [{ Package: 'ccache' }] });
  await writeFile(join(folder, 'seed'), 'tar');
  const ccache = await put(join(folder, 'seed'));
  const lock = await resolve({ options: { ccache } });
  expect(lock.files).toEqual([{ name: `ccache-seed-${ccache}.tar`, urls: [], size: 3, sha256: ccache }]);
  expect(names(lock.dependencies)).toEqual(['ccache=1.0:amd64']);
  await expect(resolve({ options: { ccache: DIGEST } })).rejects.toMatchObject({ type: 'InvalidRequest' });
});

describe('a script', () => {
  const script = { kind: 'script', name: 'demo', script: 'true' };

  test('has the essential packages and those that it wants, no compiler', async () => {
    const { resolve } = await published({
      packages: [{ Package: 'wanted', Depends: 'behind' }, { Package: 'behind' }],
    });
    const lock = await resolve({ ...script, packages: ['wanted'] });
    expect(names(lock.base)).toEqual(['tiny-base=1.0:amd64', 'tiny-lib=1:2.0-1:amd64']);
    expect(names(lock.dependencies)).toEqual(['behind=1.0:amd64', 'wanted=1.0:amd64']);
    expect(lock.source).toEqual({ name: 'demo', version: '0', files: [] });
    expect((await resolve(script)).dependencies).toEqual([]);
  });

  test('names all packages that are not there', async () => {
    const { resolve } = await published();
    await expect(
      resolve({ ...script, packages: ['nope-one', 'fakeroot', 'nope.two'] }),
    ).rejects.toMatchObject({
      type: 'UnresolvableDependencies',
      message: expect.stringMatching(/^what demo wants cannot be satisfied/),
      more: { items: ['nope-one', 'nope.two'] },
    });
  });

  test('has sources of the store and of the web, with their sizes', async () => {
    const { resolve, archive, server, put } = await published();
    await writeFile(join(archive, 'extra.patch'), 'hunk');
    const sha256 = await put(join(archive, 'extra.patch'));
    const url = `${server.url}/extra.patch`;
    const { source } = await resolve({
      ...script,
      version: '1.2',
      sources: [
        { name: 'stored', sha256 },
        { url, sha256 },
        { url: `${url}?x`, sha256, name: 'renamed' },
      ],
    });
    const file = { size: 4, sha256 };
    expect(source).toEqual({
      name: 'demo',
      version: '1.2',
      files: [
        { ...file, name: 'stored', urls: [] },
        { ...file, name: 'extra.patch', urls: [url] },
        { ...file, name: 'renamed', urls: [`${url}?x`] },
      ],
    });
    expect(server.requests.filter((request) => request.includes('extra.patch'))).toHaveLength(2);
  });

  test.each([
    ['not in the store', { name: 'x', sha256: DIGEST }, 'InvalidRequest', /the store has no blob/],
    ['not at its URL', { url: 'SERVER/none.tar', sha256: DIGEST }, 'InvalidRequest', /not there: /],
    ['on no server', { url: 'http://127.0.0.1:9/x.tar', sha256: DIGEST }, 'DownloadFailed', /127\.0\.0\.1:9/],
  ])('is refused a source that is %s', async (_, source, type, message) => {
    const { resolve, server } = await published();
    const sources = [JSON.parse(JSON.stringify(source).replace('SERVER', server.url))];
    await expect(resolve({ ...script, sources })).rejects.toMatchObject({
      type,
      message: expect.stringMatching(message),
    });
  });
});
