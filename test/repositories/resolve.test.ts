import { createHash } from 'node:crypto';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inputsOf, type Lock } from '../../schema/lock.ts';
import { addPackages, addSource, BASIC_PACKAGES, publish } from './fixtures/archive.ts';
import { type Setting, setting } from './fixtures/setting.ts';

const DAY = 24 * 60 * 60 * 1000;

/** A setting whose archive has what every build needs and one source package. */
async function published(fields: Record<string, string> = {}): Promise<Setting> {
  const made = await setting();
  await addPackages(made.archive, BASIC_PACKAGES);
  await addSource(made.archive, { name: 'tiny', version: '1.0', fields });
  await publish(made.archive, { key: made.key });
  return made;
}

function names(packages: Lock['base']): string[] {
  return packages.map((each) => `${each.package}=${each.version}`);
}

async function sha256(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

describe('the lock', () => {
  test('has every file with URL, size and digest: source, base, kernel; and the Release file', async () => {
    const { archive, server, resolve } = await published();
    const lock = await resolve({});
    expect(lock.source).toMatchObject({ name: 'tiny', version: '1.0', dsc: 'tiny_1.0.dsc' });
    expect(lock.source.files.map((file) => file.name)).toEqual(['tiny_1.0.dsc', 'tiny_1.0.tar.xz']);
    expect(names(lock.base)).toEqual([
      'build-essential=1.0',
      'fakeroot=1.0',
      'tiny-base=1.0',
      'tiny-lib=1:2.0-1',
    ]);
    expect(names(lock.kernel ? [lock.kernel] : [])).toEqual(['linux-image-6.2-cloud-amd64=6.2-1']);
    expect(lock.dependencies).toEqual([]);
    for (const file of inputsOf(lock)) {
      const path = join(archive, new URL(file.urls[0] ?? '').pathname);
      expect(file).toMatchObject({ size: (await readFile(path)).length, sha256: await sha256(path) });
    }
    expect(lock.base.at(-1)?.name).toBe('tiny-lib_1%3a2.0-1_amd64.deb');
    expect(lock.repositories).toEqual([
      {
        uri: `${server.url}/`,
        suite: 'tiny',
        components: ['main'],
        release: await sha256(join(archive, 'dists/tiny/InRelease')),
        date: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      },
    ]);
  });

  test('is the same for the same inputs, and lists that did not change are not fetched again', async () => {
    const { server, resolve, folder } = await published();
    const first = await resolve({});
    const fetched = server.requests.filter((request) => request.includes('Packages')).length;
    expect(JSON.stringify(await resolve({}))).toBe(JSON.stringify(first));
    expect(server.requests.filter((request) => request.includes('Packages'))).toHaveLength(fetched);
    // Nothing of a resolution is left behind: snapshots are for packages of a request.
    expect(await readdir(join(folder, 'apt'))).toEqual(['sets']);
  });

  test('resolutions at the same time do not disturb each other', async () => {
    const { resolve } = await published();
    const locks = await Promise.all([resolve({}), resolve({}), resolve({})]);
    expect(new Set(locks.map((lock) => JSON.stringify(lock))).size).toBe(1);
  });

  test('names all URIs of a repository as mirrors of its files', async () => {
    const { key, put, server, resolve } = await published();
    const keyring = await put(await key.publicKey('binary'));
    const uris = [server.url, server.url.replace('127.0.0.1', 'localhost')];
    const lock = await resolve(
      {},
      { repositories: [{ uris, suites: ['tiny'], components: ['main'], keyring }] },
    );
    expect(lock.kernel?.urls.map((url) => url.replace(/pool.*/, ''))).toEqual(uris.map((uri) => `${uri}/`));
  });
});

describe('build dependencies', () => {
  const FIELDS = {
    'Build-Depends': 'common (>= 1), test-tool <!nocheck>, second-choice | fakeroot',
    'Build-Depends-Arch': 'for-any',
    'Build-Depends-Indep': 'for-all',
    'Build-Conflicts': 'build-essential-extra',
  };
  const PACKAGES = [
    { Package: 'common', Depends: 'common-lib' },
    { Package: 'common-lib', Architecture: 'all' },
    ...['test-tool', 'second-choice', 'for-any', 'for-all', 'wanted'].map((Package) => ({ Package })),
  ];

  async function withDependencies(): Promise<Setting> {
    const made = await setting();
    await addPackages(made.archive, [...BASIC_PACKAGES, ...PACKAGES]);
    await addSource(made.archive, { name: 'tiny', version: '1.0', fields: FIELDS });
    await publish(made.archive, { key: made.key });
    return made;
  }

  test('come by parts, profiles and extra packages, without what is in the base', async () => {
    const { resolve } = await withDependencies();
    const wanted = async (options: object) =>
      (await resolve({ options })).dependencies.map((each) => each.package).join(' ');
    expect(await wanted({})).toBe('common common-lib for-all for-any test-tool');
    expect(await wanted({ parts: ['any'], profiles: ['nocheck'] })).toBe('common common-lib for-any');
    expect(await wanted({ parts: ['all'], profiles: ['nocheck', 'x'] })).toBe('common common-lib for-all');
    expect(await wanted({ parts: ['source'], extraPackages: ['wanted'] })).toBe(
      'common common-lib test-tool wanted',
    );
  });

  test('take a package out of the base that conflicts, and replace one that is too old', async () => {
    const made = await setting();
    await addPackages(made.archive, [...BASIC_PACKAGES, { Package: 'odd', Conflicts: 'fakeroot' }]);
    await addSource(made.archive, { name: 'tiny', version: '1.0', fields: { 'Build-Depends': 'odd' } });
    await publish(made.archive, { key: made.key });
    const lock = await made.resolve({});
    expect(names(lock.base)).not.toContain('fakeroot=1.0');
    expect(names(lock.dependencies)).toEqual(['odd=1.0']);
  });

  test('that are missing are named, all of them', async () => {
    const { resolve } = await published({
      'Build-Depends': 'nope-one, tiny-lib (>= 2:0), nope-two (>= 3) | nope-three, fakeroot',
      'Build-Depends-Indep': 'nope-four',
    });
    await expect(resolve({ options: { extraPackages: ['nope-five'] } })).rejects.toMatchObject({
      type: 'UnresolvableDependencies',
      message: expect.stringMatching(/^the build dependencies of tiny 1\.0 cannot be satisfied/),
      more: {
        items: ['nope-one', 'tiny-lib (>= 2:0)', 'nope-two (>= 3) | nope-three', 'nope-five', 'nope-four'],
      },
    });
  });

  test('of the base that are missing are named, all of them', async () => {
    const made = await setting();
    await addPackages(
      made.archive,
      BASIC_PACKAGES.filter(({ Package }) => Package.startsWith('linux')),
    );
    await addSource(made.archive, { name: 'tiny', version: '1.0' });
    await publish(made.archive, { key: made.key });
    await expect(made.resolve({})).rejects.toMatchObject({
      type: 'UnresolvableDependencies',
      more: { items: ['build-essential', 'fakeroot'] },
    });
  });

  test('a repository without the kernel package is told so', async () => {
    const made = await setting();
    await addPackages(
      made.archive,
      BASIC_PACKAGES.filter(({ Package }) => !Package.startsWith('linux')),
    );
    await addSource(made.archive, { name: 'tiny', version: '1.0' });
    await publish(made.archive, { key: made.key });
    await expect(made.resolve({})).rejects.toMatchObject({
      type: 'UnresolvableDependencies',
      more: { items: ['linux-image-cloud-amd64'] },
    });
  });
});

describe('the source package', () => {
  test.each([
    ['unknown', { name: 'nosuch' }],
    ['of an unknown version', { name: 'tiny', version: '9' }],
    ['the name of a binary package', { name: 'tiny-lib' }],
  ])('is refused when it is %s', async (_, source) => {
    const { resolve } = await published();
    const what = [source.name, 'version' in source ? source.version : undefined].filter(Boolean).join('=');
    await expect(resolve({ source })).rejects.toMatchObject({
      type: 'InvalidRequest',
      more: { items: [what] },
    });
  });

  test('comes in the newest version, or in the demanded one', async () => {
    const made = await published();
    await addSource(made.archive, { name: 'tiny', version: '1:0.5' });
    await publish(made.archive, { key: made.key });
    const newest = await made.resolve({});
    expect(newest.source).toMatchObject({ version: '1:0.5', dsc: 'tiny_0.5.dsc' });
    expect((await made.resolve({ source: { name: 'tiny', version: '1.0' } })).source.version).toBe('1.0');
  });

  test('whose .dsc changed on the mirror is rejected', async () => {
    const { archive, resolve } = await published();
    await appendFile(join(archive, 'pool/tiny_1.0.dsc'), 'Extra: yes\n');
    await expect(resolve({})).rejects.toMatchObject({
      type: 'InputRejected',
      more: { items: ['tiny_1.0.dsc'] },
    });
  });

  test('comes by URL, with its files from the same folder', async () => {
    const { archive, server, resolve } = await published();
    const url = `${server.url}/pool/tiny_1.0.dsc`;
    const digest = await sha256(join(archive, 'pool/tiny_1.0.dsc'));
    const lock = await resolve({ source: { url, sha256: digest } });
    expect(lock.source.files.map((file) => file.urls)).toEqual([
      [url],
      [`${server.url}/pool/tiny_1.0.tar.xz`],
    ]);
    expect(lock.source.files[0]).toMatchObject({ name: 'tiny_1.0.dsc', sha256: digest });
  });

  test.each([
    ['is not there', 'pool/no.dsc', {}, 'InvalidRequest', /not there/],
    ['is no .dsc by name', 'pool/tiny_1.0.tar.xz', {}, 'InvalidRequest', /does not lead to a \.dsc/],
    ['is no .dsc by content', 'pool/bad.dsc', {}, 'InputRejected', /no valid \.dsc/],
    ['is too large', 'pool/huge.dsc', {}, 'InputRejected', /more than/],
    ['has another digest', 'pool/tiny_1.0.dsc', { sha256: '0'.repeat(64) }, 'InputRejected', /instead of/],
  ])('by URL is refused when it %s', async (_, path, more, type, message) => {
    const { archive, server, resolve } = await published();
    await writeFile(join(archive, 'pool/bad.dsc'), '<html>\n');
    await writeFile(join(archive, 'pool/huge.dsc'), Buffer.alloc(5_000_000));
    await expect(resolve({ source: { url: `${server.url}/${path}`, ...more } })).rejects.toMatchObject({
      type,
      message: expect.stringMatching(message),
    });
  });

  test('comes from the store', async () => {
    const { archive, put, resolve } = await published();
    const files = await Promise.all(
      ['tiny_1.0.dsc', 'tiny_1.0.tar.xz'].map(async (name) => ({
        name,
        sha256: await put(join(archive, 'pool', name)),
      })),
    );
    const { source } = await resolve({ source: { files } });
    expect(source.files.map(({ name, sha256, urls }) => ({ name, sha256, urls }))).toEqual(
      files.map((file) => ({ ...file, urls: [] })),
    );
  });

  test('from the store is refused when a file is missing, or is not what the .dsc lists', async () => {
    const { archive, put, resolve } = await published();
    const dsc = { name: 'tiny_1.0.dsc', sha256: await put(join(archive, 'pool/tiny_1.0.dsc')) };
    const tar = (digest: string) => ({
      source: { files: [dsc, { name: 'tiny_1.0.tar.xz', sha256: digest }] },
    });
    const refused = (recipe: object, type: string, message: RegExp) =>
      expect(resolve(recipe)).rejects.toMatchObject({ type, message: expect.stringMatching(message) });
    await refused({ source: { files: [dsc] } }, 'InvalidRequest', /lists tiny_1\.0\.tar\.xz/);
    await refused(tar('1'.repeat(64)), 'InvalidRequest', /the store has no blob/);
    await refused(tar(dsc.sha256), 'InputRejected', /is not what/);
    await refused(
      { source: { files: [{ name: 'x', sha256: dsc.sha256 }] } },
      'InvalidRequest',
      /exactly one \.dsc/,
    );
  });
});

describe('the signature of a .dsc', () => {
  async function signed(how: (made: Setting) => Promise<void>): Promise<Setting & { keyring: string }> {
    const made = await published();
    await how(made);
    await publish(made.archive, { key: made.key });
    return { ...made, keyring: await made.put(await made.key.publicKey('armored')) };
  }

  test('by a key of the keyring is accepted, armored or binary', async () => {
    const made = await signed(async ({ archive, key }) => {
      await addSource(archive, { name: 'tiny', version: '2.0', key });
    });
    expect((await made.resolve({ keyring: made.keyring })).source.version).toBe('2.0');
    const keyring = await made.put(await made.key.publicKey('binary'));
    expect((await made.resolve({ keyring })).source.version).toBe('2.0');
  });

  test.each<[string, RegExp, (made: Setting) => Promise<void>]>([
    ['missing', /tiny_1\.0\.dsc is not signed/, async () => {}],
    [
      'by another key',
      /tiny_2\.0\.dsc is signed by a key that the keyring does not have/,
      async ({ archive, newKey }) => {
        await addSource(archive, { name: 'tiny', version: '2.0', key: await newKey('other') });
      },
    ],
    [
      'of another text',
      /tiny_2\.0\.dsc was changed after it was signed/,
      async ({ archive, key }) => {
        const dsc = await addSource(archive, { name: 'tiny', version: '2.0', key });
        await writeFile(dsc, (await readFile(dsc, 'utf8')).replace('nobody <', 'somebody <'));
      },
    ],
    [
      'beside unsigned text',
      /tiny_2\.0\.dsc has text outside its signature/,
      async ({ archive, key }) => {
        const dsc = await addSource(archive, { name: 'tiny', version: '2.0', key });
        await writeFile(dsc, `${await readFile(dsc, 'utf8')}\nBuild-Depends: evil\n`);
      },
    ],
  ])('is refused when it is %s', async (_, message, how) => {
    // By its files in the store: no index stands behind them.
    const made = await signed(async () => {});
    await how(made);
    const version = /tiny_(\d)/.exec(message.source)?.[1];
    const files = await Promise.all(
      [`tiny_${version}.0.dsc`, `tiny_${version}.0.tar.xz`].map(async (name) => ({
        name,
        sha256: await made.put(join(made.archive, 'pool', basename(name))),
      })),
    );
    await expect(made.resolve({ source: { files }, keyring: made.keyring })).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(message),
    });
  });
});

describe('a repository', () => {
  test('of the request is verified with the keyring that it names, or with those of the worker', async () => {
    const { key, put, server, resolve } = await published();
    const repository = { uris: [server.url], suites: ['tiny'], components: ['main'] };
    const keyring = await put(await key.publicKey('armored'));
    await resolve({}, { repositories: [{ ...repository, keyring }] });
    await resolve({}, { repositories: [repository] });
  });

  test.each<[string, RegExp, (made: Setting) => Promise<void>]>([
    ['unsigned', /does not have a Release file|is not signed/, ({ archive }) => publish(archive)],
    [
      'signed by another key',
      /NO_PUBKEY/,
      async ({ archive, newKey }) => publish(archive, { key: await newKey('other') }),
    ],
    [
      'expired',
      /expired/,
      ({ archive, key }) =>
        publish(archive, {
          key,
          date: new Date(Date.now() - 9 * DAY),
          validUntil: new Date(Date.now() - 2 * DAY),
        }),
    ],
    [
      'of the future',
      /not valid yet/,
      ({ archive, key }) => publish(archive, { key, date: new Date(Date.now() + DAY) }),
    ],
    [
      'inconsistent',
      /Hash Sum mismatch|unexpected size/,
      async ({ archive, key }) => {
        await publish(archive, { key });
        await appendFile(join(archive, 'dists/tiny/main/binary-amd64/Packages'), '\n');
      },
    ],
    ['not there', /does not have a Release file/, async () => {}],
  ])('is rejected when it is %s', async (_, reason, how) => {
    const made = await setting();
    await addPackages(made.archive, BASIC_PACKAGES);
    await addSource(made.archive, { name: 'tiny', version: '1.0' });
    await how(made);
    await expect(made.resolve({})).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(reason),
      more: { items: [expect.stringContaining(made.server.url)] },
    });
  });

  test('that was good and is now signed by another key is rejected, its older lists notwithstanding', async () => {
    const { archive, newKey, resolve } = await published();
    await resolve({});
    await publish(archive, { key: await newKey('other'), date: new Date(Date.now() + 1000) });
    await expect(resolve({})).rejects.toMatchObject({ type: 'InputRejected' });
  });

  test('that cannot be reached is an outage, not a rejection', async () => {
    const made = await published();
    const keyring = await made.put(await made.key.publicKey('binary'));
    const repositories = [
      { uris: ['http://127.0.0.1:9/x'], suites: ['tiny'], components: ['main'], keyring },
    ];
    await expect(made.resolve({}, { repositories })).rejects.toMatchObject({
      type: 'DownloadFailed',
      message: expect.stringMatching(/127\.0\.0\.1:9/),
    });
  });

  test('that has no such component is refused', async () => {
    const { server, resolve } = await published();
    const repositories = [{ uris: [server.url], suites: ['tiny'], components: ['main', 'nope'] }];
    await expect(resolve({}, { repositories })).rejects.toMatchObject({
      type: 'InvalidRequest',
      more: { items: [`${server.url} tiny nope`] },
    });
  });

  test('cannot smuggle options of apt in its URI', async () => {
    const { archive, server, resolve } = await published();
    await publish(archive);
    const uris = [`${server.url}/\nTrusted: yes`];
    const repositories = [{ uris, suites: ['tiny'], components: ['main'] }];
    await expect(resolve({}, { repositories })).rejects.toMatchObject({ type: 'InputRejected' });
  });

  test('whose keyring is none is rejected', async () => {
    const { server, store, resolve } = await published();
    const keyring = await store.putBytes(Buffer.from('no key at all'));
    const repositories = [{ uris: [server.url], suites: ['tiny'], components: ['main'], keyring }];
    await expect(resolve({}, { repositories })).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(/no OpenPGP keyring/),
    });
  });
});
