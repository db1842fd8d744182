import { readdir, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CommandFailed, run } from '../../host/run.ts';
import type { PublishOptions } from '../../publishing/publish.ts';
import { putResult } from '../support/results.ts';
import { type Publishing, publishing } from './fixtures/publishing.ts';

const HELLO = { package: 'hello', files: { '/usr/share/hello': 'hello' } };

/** Everything that readers see. */
async function seen(into: string): Promise<Record<string, string>> {
  const paths = await run(['find', '-L', join(into, 'dists'), join(into, 'pool'), '-type', 'f']);
  const files = paths.stdout.split('\n').filter((path) => path !== '');
  return Object.fromEntries(
    await Promise.all(files.map(async (path) => [path, await readFile(path, 'latin1')] as const)),
  );
}

describe('is refused, and what is published stays as it is:', () => {
  const CASES: [string, (p: Publishing) => Promise<Partial<PublishOptions>>, object][] = [
    [
      'the same version with other content',
      async ({ built }) => ({
        results: [await built({ ...HELLO, files: { '/usr/share/hello': 'changed' } })],
      }),
      { type: 'InvalidRequest', message: expect.stringContaining('hello_1.0_amd64') },
    ],
    [
      'the same version with other content in another component',
      async ({ built }) => ({
        results: [await built({ ...HELLO, files: { '/usr/share/hello': 'changed' } })],
        component: 'other',
      }),
      { type: 'InvalidRequest', message: expect.stringContaining('hello_1.0_amd64') },
    ],
    [
      'a file of the pool with other content, for another suite',
      async ({ built }) => ({
        results: [await built({ ...HELLO, files: { '/usr/share/hello': 'changed' } })],
        suite: 'other',
      }),
      { type: 'InvalidRequest', message: expect.stringContaining('pool/main/h/hello/hello_1.0_amd64.deb') },
    ],
    [
      'two builds that made one package differently',
      async ({ built }) => ({
        results: [
          await built({ package: 'twice', files: { '/a': '1' } }),
          await built({ package: 'twice', files: { '/a': '2' } }),
        ],
      }),
      { type: 'InvalidRequest', message: expect.stringMatching(/twice_1.0_amd64.deb was made differently/) },
    ],
    [
      'a build that failed',
      async ({ store }) => ({ results: [await putResult(store, { name: 'bad', outcome: 'failed' })] }),
      { type: 'InvalidRequest', message: expect.stringContaining('only builds that succeeded') },
    ],
    [
      'a blob that retention has deleted',
      async ({ store, built }) => {
        const result = await built({ package: 'gone' });
        await store.deleteBlob(result.artifacts[0]?.sha256 ?? '', new Date(Date.now() + 1000));
        return { results: [result] };
      },
      { type: 'InputsGone', more: { advice: expect.stringContaining('slipway gc') } },
    ],
    [
      'a blob that is damaged',
      async ({ folder, built }) => {
        const result = await built({ package: 'damaged' });
        const digest = result.artifacts[0]?.sha256 ?? '';
        const blob = join(folder, 'store/blobs', digest.slice(0, 2), digest);
        await unlink(blob);
        await writeFile(blob, 'something else');
        return { results: [result] };
      },
      { type: 'InputRejected', message: expect.stringContaining('corrupt') },
    ],
    [
      'a .deb that is none',
      async ({ folder, store }) => {
        const file = join(folder, 'no_1_all.deb');
        await writeFile(file, 'no package');
        return { results: [await putResult(store, { name: 'no', artifacts: [file] })] };
      },
      { type: 'InputRejected', message: expect.stringContaining('no_1_all.deb') },
    ],
    [
      'a package whose source leads out of the pool',
      async ({ built }) => ({
        results: [await built({ package: 'out', fields: { Source: '../../../out' } })],
      }),
      { type: 'InputRejected', message: expect.stringContaining('../../../out') },
    ],
    [
      'another key',
      async ({ newKey }) => ({ key: { key: await newKey('second') } }),
      { type: 'InvalidRequest', more: { advice: expect.stringContaining('--replace-key') } },
    ],
    [
      'no key',
      async () => ({ key: undefined }),
      { message: expect.stringContaining('now it would be not signed') },
    ],
    ['a suite with a slash', async () => ({ suite: '../x' }), { type: 'InvalidRequest' }],
    ['a component that begins with a dot', async () => ({ component: '.x' }), { type: 'InvalidRequest' }],
    ['the architecture all', async () => ({ architectures: ['all'] }), { type: 'InvalidRequest' }],
    [
      'architectures that Debian does not know, and only those are named',
      async () => ({ architectures: ['arm64', 'amd46', ''] }),
      { type: 'InvalidRequest', more: { items: ['amd46', ''] } },
    ],
    [
      'a result without any package, though another has one',
      async ({ built, store, folder }) => {
        const file = join(folder, 'report.txt');
        await writeFile(file, 'no package');
        const plain = await putResult(store, { name: 'plain', artifacts: [file] });
        return { results: [await built({ package: 'new' }), plain] };
      },
      {
        type: 'InvalidRequest',
        more: {
          items: [expect.stringMatching(/plain.*: it has no package/)],
          advice: expect.stringContaining('slipway artifacts'),
        },
      },
    ],
    [
      'only results without any package, also where such are left out',
      async ({ store }) => ({ results: [await putResult(store, { name: 'plain' })], skipEmpty: true }),
      { type: 'InvalidRequest', message: expect.stringContaining('nothing to publish') },
    ],
    [
      'a package older than what is kept',
      async ({ built }) => ({ results: [await built({ ...HELLO, version: '0.9' })], keep: 1 }),
      {
        type: 'InvalidRequest',
        message: expect.stringContaining('older than --keep 1'),
        more: { items: ['hello_0.9_amd64: the newest are 1.0'] },
      },
    ],
    [
      'a suite to refresh that is not there',
      async () => ({ results: [], suite: 'stabel' }),
      { type: 'InvalidRequest', more: { advice: 'It has stable.' } },
    ],
    ['an origin of two lines', async () => ({ origin: 'a\nSuite: b' }), { type: 'InvalidRequest' }],
    [
      'a key that is not there',
      async () => ({ key: { key: '0123456789ABCDEF' } }),
      { type: 'InvalidRequest' },
    ],
    ['a word for a key', async () => ({ key: { key: 'my key' } }), { type: 'InvalidRequest' }],
    [
      'a file with only a public key',
      async ({ into }) => ({ key: { key: join(into, 'keyring.asc') } }),
      { type: 'InvalidRequest', message: expect.stringContaining('secret key') },
    ],
  ];
  test.each(CASES)('%s', async (_, given, expected) => {
    const all = await publishing();
    await all.publish([await all.built(HELLO)]);
    const before = await seen(all.into);
    const { results = [await all.built({ package: 'new' })], ...more } = await given(all);
    await expect(all.publish(results, more)).rejects.toMatchObject(expected);
    expect(await seen(all.into)).toEqual(before);
    expect(await readdir(join(all.into, '.slipway'))).not.toContain('staging');
    expect((await all.publish([await all.built({ package: 'after' })])).added).toHaveLength(1);
  });

  test('a folder that has something else in it', async () => {
    const { into, publish, built } = await publishing();
    await writeFile(join(into, 'thesis.tex'), 'precious');
    await expect(publish([await built(HELLO)])).rejects.toMatchObject({
      type: 'InvalidRequest',
      message: expect.stringContaining('thesis.tex'),
    });
    expect(await readdir(into)).toEqual(['thesis.tex']);
  });
});

test('a repository whose files are gone or cut off is not signed anew; their builds mend it', async () => {
  const { into, publish, built, builtSource } = await publishing();
  const results = [await built(HELLO), await builtSource('tiny', '1.0'), await built({ package: 'whole' })];
  await publish(results);
  const [hello, tiny] = ['h/hello/hello_1.0_amd64.deb', 't/tiny/tiny_1.0.tar.xz'].map(
    (path) => `pool/main/${path}`,
  );
  await unlink(join(into, hello ?? ''));
  const bytes = await readFile(join(into, tiny ?? ''));
  await writeFile(join(into, tiny ?? ''), bytes.subarray(1));
  const release = await readFile(join(into, 'dists/stable/InRelease'), 'utf8');
  const broken = {
    type: 'InvalidRequest',
    more: {
      items: [`${hello}: missing`, `${tiny}: ${bytes.length - 1} bytes, not ${bytes.length}`],
      advice: expect.stringContaining('publish their builds again'),
    },
  };
  await expect(publish([])).rejects.toMatchObject(broken);
  await expect(publish([await built({ package: 'new' })])).rejects.toMatchObject(broken);
  expect(await readFile(join(into, 'dists/stable/InRelease'), 'utf8')).toBe(release);
  await unlink(join(into, tiny ?? ''));
  expect(await publish(results)).toMatchObject({ added: [], unchanged: { length: 3 } });
  expect((await publish([])).suites).toEqual(['stable']);
});

test.each([
  ['in /proc', () => '/proc/foo'],
  ['in a folder that is missing', (folder: string) => join(folder, 'missing', 'repository')],
  ['below a file', (folder: string) => join(folder, 'publisher.secret', 'repository')],
])(
  'a folder that cannot be made is refused: %s',
  async (_, into) => {
    const { folder, publish, built } = await publishing();
    await expect(publish([await built(HELLO)], { into: into(folder) })).rejects.toMatchObject({
      type: 'InvalidRequest',
      message: expect.stringContaining(into(folder)),
      more: { advice: expect.stringContaining('--into') },
    });
    expect(await readdir(folder)).not.toContain('missing');
  },
  20_000,
);

describe('apt notices', () => {
  async function setting() {
    const all = await publishing();
    await all.publish([await all.built(HELLO)]);
    const index = join(all.into, 'dists/stable/main/binary-amd64');
    return { ...all, index, ...(await all.system()) };
  }

  test('a package that was changed', async () => {
    const { into, update, install } = await setting();
    await update();
    const deb = join(into, 'pool/main/h/hello/hello_1.0_amd64.deb');
    const bytes = await readFile(deb);
    bytes.write('HELLO', bytes.lastIndexOf('hello'));
    await rm(deb);
    await writeFile(deb, bytes);
    expect((await failure(install('hello'))).stderr).toContain('Hash Sum mismatch');
  });

  test('an index that was changed', async () => {
    const { index, update } = await setting();
    for (const name of await readdir(join(index, 'by-hash/SHA256'))) {
      const path = join(index, 'by-hash/SHA256', name);
      const size = (await readFile(path)).length;
      await rm(path);
      await writeFile(path, 'x'.repeat(size));
    }
    expect((await failure(update())).stderr).toContain('Hash Sum mismatch');
  });

  test('a Release file that was changed', async () => {
    const { into, update } = await setting();
    const release = join(into, 'dists/stable/InRelease');
    await writeFile(release, (await readFile(release, 'utf8')).replace('Origin: slipway', 'Origin: slipwaz'));
    expect((await failure(update())).stderr).toMatch(/BADSIG|signatures were invalid/);
  });

  test('that another key signed it', async () => {
    const { publish, newKey, update } = await setting();
    await publish([], { key: { key: await newKey('thief') }, replaceKey: true });
    expect((await failure(update())).stderr).toContain('NO_PUBKEY');
  });

  test('that it is too old, and takes it when it was refreshed', async () => {
    const { publish, update } = await setting();
    await publish([], { validSeconds: 1 });
    await new Promise((settle) => setTimeout(settle, 2100));
    expect((await failure(update())).stderr).toContain('is expired');
    expect((await publish([], { validSeconds: 3600 })).suites).toEqual(['stable']);
    await update();
  });

  test('that nobody signed it', async () => {
    const all = await publishing();
    const { key, keyring } = await all.publish([await all.built(HELLO)], { key: undefined });
    expect({ key, keyring }).toEqual({ key: null, keyring: undefined });
    const { update } = await all.system(await all.newKey('any'));
    expect((await failure(update())).stderr).toContain('is not signed');
  });
});

test('a new key signs all suites anew', async () => {
  const { publish, built, newKey, system } = await publishing();
  await publish([await built(HELLO)]);
  await publish([await built({ package: 'other' })], { suite: 'other' });
  const second = await newKey('second');
  const { suites } = await publish([await built({ package: 'third' })], {
    ...{ suite: 'other', key: { key: second }, replaceKey: true },
  });
  expect(suites.sort()).toEqual(['other', 'stable']);
  const { update, install } = await system();
  await update();
  await install('hello');
});

test('what a publish that was killed has left does not hinder the next, and goes', async () => {
  const { into, publish, built } = await publishing();
  await publish([await built(HELLO)]);
  const own = join(into, '.slipway');
  await run([
    'mkdir',
    '-p',
    join(own, 'staging/pool/main/x'),
    join(own, 'dists/stable/999999999999999/main'),
  ]);
  await run(['mkdir', '-p', join(into, 'pool/main/x/x')]);
  await writeFile(join(into, 'pool/main/x/x/x_1_all.deb'), 'never indexed');
  await symlink('nowhere', join(into, 'dists/.stable'));
  expect((await publish([await built({ package: 'next' })])).suites).toEqual(['stable']);
  expect(await readdir(join(into, 'dists'))).toEqual(['stable']);
  expect(await readdir(join(into, 'pool/main/x/x'))).toEqual([]);
  expect(await readdir(own)).not.toContain('staging');
});

async function failure(work: Promise<unknown>): Promise<CommandFailed> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CommandFailed);
  return error as CommandFailed;
}
