import { lstat, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CommandFailed, run } from '../../../host/run.ts';
import { preinstall } from '../../../recipes/debian/build-root/preinstall.ts';
import { debianRecipe } from '../../../recipes/debian/recipe.ts';
import type { BuildPlan } from '../../../recipes/recipe.ts';
import { readParagraphs } from '../../../repositories/deb822.ts';
import { type BuildInputs, helloInputs } from '../../support/build-inputs.ts';
import { runInChroot } from '../../support/chroot.ts';
import { buildDeb } from '../../support/deb.ts';

const MINUTES = 60_000;

// biome-ignore lint/suspicious/noTemplateCurlyInString: a format of dpkg-query
const STATUS = '${Status}';
// biome-ignore lint/suspicious/noTemplateCurlyInString: a format of dpkg-query
const IDENTITY = '${Package}=${Version}:${Architecture}';

/** The real build root of GNU hello and its build, in a chroot in the place of a guest: 16 times as fast. */
describe('the build root of hello', () => {
  let folder: string;
  let tree: string;
  let inputs: BuildInputs;
  let plan: BuildPlan;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
    tree = join(folder, 'tree');
    await mkdir(tree);
    inputs = await helloInputs(['any', 'all', 'source']);
    plan = inputs.plan;
    await preinstall({
      tree,
      packages: [...inputs.packages, await probe(), await diverter()],
      sources: inputs.sources,
      sourcesDirectory: plan.sourcesDirectory,
      context: { signal: AbortSignal.timeout(3 * MINUTES), report: () => {} },
    });
  }, 6 * MINUTES);

  afterAll(async () => rm(folder, { recursive: true, force: true }));

  /** Writes down what dpkg tells a preinst. */
  const probe = () =>
    buildDeb(folder, {
      package: 'libprobe1',
      architecture: 'amd64',
      fields: { 'Multi-Arch': 'same' },
      control: {
        preinst: '#!/bin/sh\n{ echo "$# $1"; pwd; env; } > /var/lib/preinst-saw\n',
      },
    });

  const diverter = () =>
    buildDeb(folder, {
      package: 'diverter',
      files: { '/usr/bin/hostname-of-ours': 'x', '/usr/bin/clear_console': 'ours' },
      control: {
        preinst:
          '#!/bin/sh\ndpkg-divert --package diverter --add --rename --divert /usr/bin/clear_console.real /usr/bin/clear_console\n',
      },
    });

  test('dpkg sees all packages unpacked and none of their scripts has run', async () => {
    const states = await query(STATUS);
    expect(new Set(states)).toEqual(new Set(['install ok unpacked']));
    expect(states.length).toBe(inputs.packages.length + 1);
    await expect(lstat(join(tree, 'var/lib/preinst-saw'))).rejects.toThrow('ENOENT');
  });

  test(
    'the install commands configure every package; dpkg finds nothing wrong',
    async () => {
      for (const command of plan.install.unpacked) await runInChroot(tree, command, { timeout: 2 * MINUTES });
      const states = await query(STATUS);
      expect(new Set(states)).toEqual(new Set(['install ok installed']));
      const installed = await query(IDENTITY);
      const locked = inputs.packages.map((p) => `${p.package}=${p.version}:${p.architecture}`);
      expect(installed.sort()).toEqual([...locked, 'libprobe1=1.0:amd64', 'diverter=1.0:all'].sort());
      expect((await asRoot(['dpkg', '--audit'])).stdout).toBe('');
      expect((await asRoot(['dpkg', '--verify'])).stdout).toBe('');
      expect(await readdir(join(tree, 'var/cache'))).not.toContain('slipway');
      expect(await readdir(join(tree, 'usr/sbin'))).not.toContain('policy-rc.d');
    },
    4 * MINUTES,
  );

  test('a preinst saw what dpkg would have told it', async () => {
    const [called, folderOfIt, ...variables] = (
      await readFile(join(tree, 'var/lib/preinst-saw'), 'utf8')
    ).split('\n');
    expect([called, folderOfIt]).toEqual(['1 install', '/']);
    const dpkg = inputs.packages.find((entry) => entry.package === 'dpkg');
    expect(variables).toEqual(
      expect.arrayContaining([
        'DPKG_MAINTSCRIPT_NAME=preinst',
        'DPKG_MAINTSCRIPT_PACKAGE=libprobe1',
        'DPKG_MAINTSCRIPT_ARCH=amd64',
        'DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1',
        'DPKG_ADMINDIR=/var/lib/dpkg',
        'DPKG_ROOT=',
        `DPKG_RUNNING_VERSION=${dpkg?.version}`,
        'DEBIAN_FRONTEND=noninteractive',
      ]),
    );
  });

  test("a diversion moved the other package's file away, not its own", async () => {
    expect(await readFile(join(tree, 'usr/bin/clear_console'), 'utf8')).toBe('ours');
    expect((await readFile(join(tree, 'usr/bin/clear_console.real'))).subarray(1, 4).toString()).toBe('ELF');
  });

  test(
    'the builder builds it: packages, a complete .changes and a true .buildinfo, and nothing else',
    async () => {
      for (const command of plan.build) await runInChroot(tree, command, { timeout: 5 * MINUTES });
      const output = join(tree, plan.outputDirectory);
      const names = (await readdir(output)).sort();
      const changesName = names.find((name) => name.endsWith('_amd64.changes')) ?? '';
      const changes = await stanzaOf(join(output, changesName));
      const listed = (changes.get('checksums-sha256') ?? '')
        .trim()
        .split('\n')
        .map((line) => line.split(' '));
      expect([...listed.map(([, , name]) => name), changesName].sort()).toEqual(names);
      expect(changes.get('architecture')).toBe('source amd64');
      for (const [digest, , name] of listed) {
        expect((await run(['sha256sum', '--', join(output, `${name}`)])).stdout.slice(0, 64)).toBe(digest);
      }
      const buildinfo = await stanzaOf(join(output, changesName.replace(/changes$/, 'buildinfo')));
      const used = (buildinfo.get('installed-build-depends') ?? '').split(/,?\s*\n/).filter(Boolean);
      const locked = inputs.packages.map((entry) => `${entry.package} (= ${entry.version})`);
      expect(used.length).toBeGreaterThan(100);
      expect(locked).toEqual(expect.arrayContaining(used.map((word) => word.replace(/:[a-z0-9]+ /, ' '))));
      const deb = names.find((name) => /^hello_.*_amd64\.deb$/.test(name)) ?? '';
      expect((await run(['dpkg-deb', '--contents', join(output, deb)])).stdout).toMatch(
        /root\/root.* \.\/usr\/bin\/hello\n/,
      );
      expect(new Set(await owners(output))).toEqual(new Set([1000]));
    },
    8 * MINUTES,
  );

  test('a package that fails to configure is named', async () => {
    const broken = await buildDeb(folder, {
      package: 'broken',
      control: { postinst: '#!/bin/sh\nexit 3\n' },
    });
    await run(['cp', broken.path, join(tree, 'broken.deb')]);
    await asRoot(['dpkg', '--unpack', '/broken.deb']);
    const command = plan.install.unpacked.find(({ argv }) => argv.includes('--configure'));
    if (command === undefined) throw new Error('the plan does not configure');
    const failure = await runInChroot(tree, command).catch((error: unknown) => error);
    if (!(failure instanceof CommandFailed)) throw new Error('it did not fail');
    const lock = {
      ...inputs.lock,
      dependencies: [
        ...inputs.lock.dependencies,
        { ...broken, name: 'broken', urls: [], size: 0, sha256: '' },
      ],
    };
    const lines = failure.stderr.trimEnd().split('\n');
    expect(debianRecipe.explainInstallFailure(lock, command.title, lines).items).toEqual(['broken']);
  });

  function asRoot(argv: [string, ...string[]]) {
    return runInChroot(tree, { argv, env: { PATH: '/usr/sbin:/usr/bin' }, user: 'root', cwd: '/' });
  }

  async function query(format: string): Promise<string[]> {
    const { stdout } = await asRoot(['dpkg-query', '--show', `--showformat=${format}\\n`]);
    return stdout.trimEnd().split('\n');
  }
});

async function stanzaOf(path: string): Promise<ReadonlyMap<string, string>> {
  return readParagraphs(await readFile(path, 'utf8'))[0] ?? new Map();
}

async function owners(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return Promise.all(names.map(async (name) => (await lstat(join(folder, name))).uid));
}
