import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../host/run.ts';
import { recipes } from '../../../recipes/index.ts';
import type { Lock } from '../../../schema/lock.ts';
import { BuildRequest } from '../../../schema/request.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const DIGEST = 'a'.repeat(64);

function file(name: string) {
  return { name, urls: [], size: 1, sha256: DIGEST };
}

function lockOf(version: string): Lock {
  const entry = (name: string) => ({
    ...file(`${name}.deb`),
    package: name,
    version: '1',
    architecture: 'all',
  });
  return {
    version: 1,
    architecture: 'amd64',
    source: { name: 'hello', version, dsc: 'hello.dsc', files: [file('hello.dsc'), file('hello.tar.xz')] },
    base: [entry('dpkg'), entry('libc6')],
    dependencies: [entry('debhelper')],
    kernel: entry('linux-image-cloud-amd64'),
    repositories: [],
  };
}

function requestOf(options: object): BuildRequest {
  return BuildRequest.parse({
    recipe: { kind: 'debian', source: { name: 'hello' }, options },
    resources: { cpus: 3 },
  });
}

function planOf(options: object, version = '1:2.10~rc1-2-3') {
  return recipes.debian.plan(requestOf(options), lockOf(version));
}

test('the builder unpacks the source into its own folder and builds there, the results end in a folder of their own', () => {
  const plan = planOf({});
  expect(plan.sources.map(({ name }) => name)).toEqual(['hello.dsc', 'hello.tar.xz']);
  expect(plan.build.map(({ argv, cwd }) => [argv.slice(0, 4), cwd])).toEqual([
    [['mkdir', plan.outputDirectory], '/build'],
    [['dpkg-source', '--extract', 'hello.dsc', 'hello-2.10~rc1-2'], plan.sourcesDirectory],
    [['dpkg-buildpackage', '-us', '-uc', '--build=all,any'], `${plan.sourcesDirectory}/hello-2.10~rc1-2`],
    [['sh', '-c', expect.any(String), 'collect'], plan.sourcesDirectory],
  ]);
});

test('a native package has no revision to leave out', () => {
  expect(planOf({}, '5').build[1]?.argv.at(-1)).toBe('hello-5');
});

test('who runs what: packages are installed as root, the source is touched by the builder alone', () => {
  const plan = planOf({});
  expect(new Set([...plan.install.unpacked, ...plan.install.onBase].map(({ user }) => user))).toEqual(
    new Set(['root']),
  );
  expect(new Set(plan.build.map(({ user }) => user))).toEqual(new Set(['builder']));
});

test('jobs, build options, profiles and parts reach the build; the jobs are by default the CPUs', () => {
  const plan = planOf({
    parts: ['source', 'any'],
    jobs: 7,
    buildOptions: ['nocheck', 'noopt'],
    profiles: ['cross', 'nodoc'],
  });
  expect(plan.build[2]?.argv.at(-1)).toBe('--build=any,source');
  expect(plan.build[2]?.env).toMatchObject({
    DEB_BUILD_OPTIONS: 'parallel=7 nocheck noopt',
    DEB_BUILD_PROFILES: 'cross nodoc',
  });
  expect(planOf({}).build[2]?.env.DEB_BUILD_OPTIONS).toBe('parallel=3');
  expect(planOf({}).build[2]?.env).not.toHaveProperty('DEB_BUILD_PROFILES');
});

test.each<[object, string, string | undefined]>([
  [{ profiles: ['nocheck', 'nodoc'] }, 'parallel=3 nocheck', 'nocheck nodoc'],
  [{ profiles: ['nocheck'], buildOptions: ['nocheck', 'terse'] }, 'parallel=3 nocheck terse', 'nocheck'],
  [{ debugPackages: false }, 'parallel=3 noautodbgsym', undefined],
  [{ debugPackages: true }, 'parallel=3', undefined],
  [{ crossFor: 'arm64' }, 'parallel=3 nocheck', 'cross nocheck'],
  [{ crossFor: 'arm64', profiles: ['cross'] }, 'parallel=3', 'cross'],
])(
  'as with sbuild %j leads to DEB_BUILD_OPTIONS=%j and DEB_BUILD_PROFILES=%j',
  (options, flags, profiles) => {
    const { env } = planOf(options).build[2] ?? {};
    expect(env?.DEB_BUILD_OPTIONS).toBe(flags);
    expect(env?.DEB_BUILD_PROFILES).toBe(profiles);
  },
);

test.each([
  [['any'], 'any'],
  [['all'], 'all'],
  [['source'], 'source'],
  [['source', 'any', 'all'], 'all,any,source'],
  [['any', 'any'], 'any'],
])('the parts %j are built by one call: --build=%s', (parts, said) => {
  expect(planOf({ parts }).build[2]?.argv.at(-1)).toBe(`--build=${said}`);
});

test('a source package in the result has its upstream tarball; without one there is nothing to include', () => {
  expect(planOf({ parts: ['any', 'source'] }).build[2]?.argv).toContain('-sa');
  expect(planOf({ parts: ['any', 'all'] }).build[2]?.argv).not.toContain('-sa');
});

test('a cross build says for which architecture, and where autoconf finds what it cannot try out', () => {
  const { argv, env } = planOf({ crossFor: 'arm64' }).build[2] ?? {};
  expect(argv).toContain('--host-arch=arm64');
  expect(env).toMatchObject({ CONFIG_SITE: '/etc/dpkg-cross/cross-config.arm64' });
  expect(planOf({}).build[2]?.env).not.toHaveProperty('CONFIG_SITE');
});

test('a rebuild gets its entry between unpacking and building, and its version', () => {
  const binNmu = { number: 12, text: '%s $(x)', maintainer: 'A <a@b>', timestamp: 5 };
  const options = { binNmu, parts: ['any'], crossFor: 'arm64' };
  const plan = planOf(options);
  expect(plan.build.map(({ argv }) => argv[0])).toEqual([
    'mkdir',
    'dpkg-source',
    'sh',
    'dpkg-buildpackage',
    'sh',
  ]);
  expect(plan.build[2]?.cwd).toBe(plan.build[3]?.cwd);
  expect(plan.build[2]?.argv.slice(3)).toEqual(['bin-nmu', '+b12', 'arm64', '%s $(x)', 'A <a@b>', '5']);
  const request = requestOf(options);
  expect(recipes.debian.package(request, lockOf('1:2-3'))).toEqual({ name: 'hello', version: '1:2-3+b12' });
  expect(recipes.debian.package(requestOf({}), lockOf('1:2-3')).version).toBe('1:2-3');
});

test('with a seed of ccache compilers are those of ccache, its folder is a copy, and the log says the hits', () => {
  const plan = planOf({ ccache: DIGEST });
  expect(plan.build.map(({ argv }) => argv.slice(0, 2).join(' '))).toEqual([
    'mkdir /build/result',
    'sh -c',
    'dpkg-source --extract',
    'dpkg-buildpackage -us',
    'sh -c',
    'ccache --show-stats',
  ]);
  expect(plan.build[1]?.argv.slice(3)).toEqual([
    'seed',
    `/build/reproducible-path/ccache-seed-${DIGEST}.tar`,
    '/build/ccache',
  ]);
  for (const { env } of plan.build) {
    expect(env).toMatchObject({
      PATH: expect.stringMatching(/^\/usr\/lib\/ccache:/),
      CCACHE_DIR: '/build/ccache',
    });
  }
});

test('what is wanted of a resolver follows from the options', () => {
  const wanted = (options: object) => recipes.debian.wanted(requestOf(options));
  expect(wanted({})).toMatchObject({ base: ['build-essential', 'fakeroot'], packages: [], profiles: [] });
  expect(wanted({ crossFor: 'arm64', ccache: DIGEST, extraPackages: ['foo'] })).toMatchObject({
    packages: ['foo', 'crossbuild-essential-arm64:native', 'libc-dev', 'libstdc++-dev', 'ccache:native'],
    profiles: ['cross', 'nocheck'],
    crossFor: 'arm64',
    files: [{ name: `ccache-seed-${DIGEST}.tar`, sha256: DIGEST }],
  });
});

test('a build sees the environment of a build host: a home that is not there, C.UTF-8, no date of ours', () => {
  const { env } = planOf({}).build[2] ?? {};
  expect(env).toMatchObject({ HOME: '/nonexistent', LC_ALL: 'C.UTF-8', USER: 'builder' });
  expect(env).not.toHaveProperty('SOURCE_DATE_EPOCH');
});

test('nothing of a request becomes part of a text for the shell', () => {
  const shells = (plan: ReturnType<typeof planOf>) =>
    [...plan.install.unpacked, ...plan.install.onBase, ...plan.build]
      .filter(({ argv }) => argv[0] === 'sh')
      .map(({ argv }) => argv[2]);
  expect(shells(planOf({ buildOptions: ['nocheck'], profiles: ['nodoc'] }, '9-9'))).toEqual(
    shells(planOf({})),
  );
});

test('the result is what the .changes file names, and it', async () => {
  const work = await temporaryFolder();
  await mkdir(join(work, 'result'));
  const digest = (name: string) => ` ${DIGEST} 12 ${name}\n`;
  await writeFile(
    join(work, 'hello_1_amd64.changes'),
    `Format: 1.8\nChecksums-Sha1:\n ${'b'.repeat(40)} 12 other.deb\nChecksums-Sha256:\n${digest('hello_1.deb')}` +
      `${digest('hello_1.buildinfo')}Files:\n ${'c'.repeat(32)} 12 misc optional other.deb\n`,
  );
  for (const name of ['hello_1.deb', 'hello_1.buildinfo', 'other.deb', 'hello_1.dsc']) {
    await writeFile(join(work, name), '');
  }
  await collect(work);
  expect((await readdir(join(work, 'result'))).sort()).toEqual([
    'hello_1.buildinfo',
    'hello_1.deb',
    'hello_1_amd64.changes',
  ]);
});

test.each([
  ['no .changes file', []],
  ['two .changes files', ['a.changes', 'b.changes']],
])('%s: the build fails and says so', async (_, names) => {
  const work = await temporaryFolder();
  await mkdir(join(work, 'result'));
  for (const name of names) await writeFile(join(work, name), '');
  await expect(collect(work)).rejects.toThrow('not one .changes file');
});

test('a file that the .changes file names and that is not there fails the build', async () => {
  const work = await temporaryFolder();
  await mkdir(join(work, 'result'));
  await writeFile(join(work, 'x.changes'), `Checksums-Sha256:\n ${DIGEST} 12 gone.deb\n`);
  await expect(collect(work)).rejects.toThrow('gone.deb');
});

function collect(work: string) {
  const [program = 'false', ...words] = planOf({}).build[3]?.argv ?? [];
  return run([program, ...words.slice(0, -1), join(work, 'result')], { cwd: work });
}

test("a failed installation names dpkg's packages, but none that the lock does not have", () => {
  const plan = planOf({});
  const configure = plan.install.unpacked.find(({ argv }) => argv.includes('--configure'));
  const lines = [
    'dpkg: error',
    'Errors were encountered while processing:',
    ' libc6:amd64',
    ' debhelper',
    ' made-up',
  ];
  expect(recipes.debian.explainInstallFailure(lockOf('1'), configure?.title, lines)).toEqual({
    message: 'dpkg could not configure a package: libc6, debhelper',
    items: ['libc6', 'debhelper'],
  });
});

test('it says which step failed where the log tells nothing', () => {
  const plan = planOf({});
  const { unpacked } = plan.install;
  const steps = unpacked.map(({ title }) => recipes.debian.explainInstallFailure(lockOf('1'), title, []));
  expect(new Set(steps.map(({ message }) => message)).size).toBe(unpacked.length);
  expect(steps.every(({ items }) => items.length === 0)).toBe(true);
});
