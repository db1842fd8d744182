import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkedRequest } from '../../client/client.ts';
import { addRequestOptions, requestFrom } from '../../client/request-options.ts';
import { uploadsOf } from '../../client/uploads.ts';
import { recipes } from '../../recipes/index.ts';
import { createAptRoot } from '../../repositories/apt-root.ts';
import type { Lock } from '../../schema/lock.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinySource } from '../support/tiny-source.ts';

/** What a person's shell may well have, each with a value that is found wherever it leads. */
const OWN: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...['DEB_BUILD_OPTIONS', 'DEB_BUILD_PROFILES', 'DEB_VENDOR', 'DEBEMAIL', 'DEBFULLNAME', 'EMAIL', 'NAME'],
    ...[
      'CFLAGS',
      'CPPFLAGS',
      'LDFLAGS',
      'CC',
      'CXX',
      'MAKEFLAGS',
      'SOURCE_DATE_EPOCH',
      'TZ',
      'LANG',
      'LC_ALL',
    ],
    ...['LANGUAGE', 'HOME', 'USER', 'CCACHE_DIR', 'PYTHONPATH', 'PERL5LIB', 'XDG_CONFIG_HOME'],
    ...[
      'http_proxy',
      'https_proxy',
      'no_proxy',
      'HTTP_PROXY',
      'SSH_AUTH_SOCK',
      'GNUPGHOME',
      'ENV',
      'BASH_ENV',
    ],
    ...['DPKG_ROOT', 'DPKG_ADMINDIR', 'APT_CONFIG', 'TAR_OPTIONS', 'XZ_DEFAULTS', 'GZIP', 'DEBIAN_FRONTEND'],
  ].map((name) => [name, `own-${name}`]),
);
// Of the loader, which would complain into every output.
const LOADED = { LD_PRELOAD: '', LD_LIBRARY_PATH: '/own-LD_LIBRARY_PATH' };

let before: NodeJS.ProcessEnv;
let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  before = { ...process.env };
  Object.assign(process.env, OWN, LOADED);
});

afterEach(() => {
  for (const name of Object.keys({ ...OWN, ...LOADED })) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
});

function lockOf(name: string): Lock {
  const source = { name, version: '1.0', dsc: `${name}.dsc`, files: [] };
  return { version: 1, architecture: 'amd64', source, base: [], dependencies: [], repositories: [] };
}

async function requestOf(argv: readonly string[], source?: string) {
  const directory = join(folder, 'store');
  await mkdir(directory, { recursive: true });
  const command = addRequestOptions(new Command());
  const options = command.parse(['node', 'slipway', ...argv]).opts();
  const store = createDirectoryStore({ directory });
  return checkedRequest(await requestFrom(options, await uploadsOf(source, options, store)));
}

test('the commands of a resolver have a PATH, a locale and what is ours, and no more', async () => {
  const root = await createAptRoot({
    directory: join(await temporaryFolder(), 'apt'),
    architecture: 'amd64',
    proxies: { apt: [], environment: {} },
  });
  const { stdout } = await root.run(['env']);
  const names = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('=')[0]);
  expect(names.sort()).toEqual(['APT_CONFIG', 'DEB_BUILD_PROFILES', 'LC_ALL', 'PATH']);
  expect(stdout).not.toContain('own-');
  const { stdout: settings } = await root.run(['apt-config', 'dump']);
  expect(settings).not.toContain('own-');
});

test.each(['debian', 'script'] as const)(
  'neither request nor commands of a %s build have any of it',
  async (kind) => {
    const script = join(folder, 'build.sh');
    await writeFile(script, 'true');
    const request =
      kind === 'debian'
        ? await requestOf([], 'hello')
        : await requestOf(['--script', script, '--name', 'hello']);
    const plan = recipes[kind].plan(request, lockOf('hello'));
    expect(JSON.stringify([request, plan])).not.toContain('own-');
    const names = new Set(
      [...plan.install.unpacked, ...plan.install.onBase, ...plan.build].flatMap(({ env }) =>
        Object.keys(env),
      ),
    );
    const known = [
      'DEBCONF_NONINTERACTIVE_SEEN',
      'DEBIAN_FRONTEND',
      'DEB_BUILD_OPTIONS',
      'DPKG_COLORS',
      'HOME',
    ];
    const all = [...known, 'LANG', 'LC_ALL', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER'];
    expect([...names].filter((name) => !all.includes(name))).toEqual([]);
  },
);

test('a source tree is packed the same, whoever packs it', async () => {
  const packed = async () => {
    const directory = join(await temporaryFolder(), 'store');
    await mkdir(directory);
    const store = createDirectoryStore({ directory });
    return [await tinySource(join(directory, '..'), store), store] as const;
  };
  const [with_, store] = await packed();
  for (const name of Object.keys({ ...OWN, ...LOADED })) delete process.env[name];
  const [without] = await packed();
  if (!('files' in with_) || !('files' in without)) throw new Error('not in the store');
  expect(with_.files.map(({ name }) => name)).toEqual(without.files.map(({ name }) => name));
  const dsc = with_.files.find(({ name }) => name.endsWith('.dsc'));
  expect(Buffer.from(await store.readBytes(`${dsc?.sha256}`, 100_000)).toString()).not.toContain('own-');
});
