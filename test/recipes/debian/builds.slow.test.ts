import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { uploadCcache } from '../../../client/ccache.ts';
import { run } from '../../../host/run.ts';
import type { DebianSource } from '../../../recipes/debian/schema.ts';
import { recipes } from '../../../recipes/index.ts';
import { BuildRequest } from '../../../schema/request.ts';
import { type BuildInputs, buildInputs, inputStore } from '../../support/build-inputs.ts';
import { type ChrootBuild, chrootBuild } from '../../support/chroot-build.ts';
import { tinySource } from '../../support/tiny-source.ts';

const MINUTES = 60_000;
const store = await inputStore();

/** Real packages from a tiny source, in a chroot in the place of a guest: every way to build one. */
describe('a Debian source package', () => {
  let folder: string;
  let source: DebianSource;
  let root: ChrootBuild;
  let resolved: BuildInputs;

  /** Other options over the same packages: they are resolved once, with ccache among them. */
  async function inputsWith(options: { ccache?: string; [name: string]: unknown }): Promise<BuildInputs> {
    const { ccache } = options;
    const request = BuildRequest.parse({ recipe: { kind: 'debian', source, options } });
    const sources = [...resolved.sources];
    let { lock } = resolved;
    if (ccache !== undefined) {
      const [seed] = recipes.debian.wanted(request).files;
      const path = join(folder, ccache);
      await writeFile(path, await store.readBytes(ccache, 10_000_000));
      sources.push({ path, name: `${seed?.name}` });
      lock = { ...lock, files: [{ name: `${seed?.name}`, urls: [], size: 0, sha256: ccache }] };
    }
    return { ...resolved, request, lock, sources, plan: recipes.debian.plan(request, lock) };
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
    source = await tinySource(folder, store);
    const options = { extraPackages: ['ccache'] };
    resolved = await buildInputs({ kind: 'debian', source, options });
    root = await chrootBuild(resolved);
  }, 5 * MINUTES);

  afterAll(async () => {
    await root?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const ANY = 'tiny-bin_1.0_amd64.deb';
  const ALL = 'tiny-data_1.0_all.deb';
  const SOURCE = ['tiny-parts_1.0.dsc', 'tiny-parts_1.0.tar.xz'];

  test.each<[string[], string[], string]>([
    [['any'], [ANY], 'amd64'],
    [['all'], [ALL], 'all'],
    [['source'], SOURCE, 'source'],
    [['any', 'all'], [ANY, ALL], 'amd64 all'],
    [['any', 'source'], [ANY, ...SOURCE], 'source amd64'],
    [['all', 'source'], [ALL, ...SOURCE], 'source all'],
    [['any', 'all', 'source'], [ANY, ALL, ...SOURCE], 'source amd64 all'],
  ])(
    'in the parts %j',
    async (parts, files, architecture) => {
      const { results, output } = await root.build(await inputsWith({ parts }));
      const word = parts.includes('any') ? 'amd64' : parts[0];
      const records = ['buildinfo', 'changes'].map((ending) => `tiny-parts_1.0_${word}.${ending}`);
      expect(results).toEqual([...files, ...records].sort());
      const changes = await readFile(join(output, `tiny-parts_1.0_${word}.changes`), 'utf8');
      expect(/^Architecture: (.*)$/m.exec(changes)?.[1]).toBe(architecture);
    },
    MINUTES,
  );

  test(
    'with its tests, and without them by the profile nocheck',
    async () => {
      expect((await root.build(await inputsWith({ parts: ['any'] }))).log).toContain('tiny ran');
      const without = await root.build(await inputsWith({ parts: ['any'], profiles: ['nocheck'] }));
      expect(without.log).toContain('not tested');
      expect(without.log).not.toContain('tiny ran');
      expect(without.log).toContain('saw: DEB_BUILD_PROFILES=nocheck\n');
    },
    MINUTES,
  );

  test(
    'rebuilt under a version of its own, twice the same',
    async () => {
      const inputs = await inputsWith({ parts: ['any'], binNmu: { number: 2, text: 'Rebuild, 100%.' } });
      const first = await root.build(inputs);
      expect(first.results).toEqual([
        'tiny-bin_1.0+b2_amd64.deb',
        'tiny-parts_1.0+b2_amd64.buildinfo',
        'tiny-parts_1.0+b2_amd64.changes',
      ]);
      const changes = await readFile(join(first.output, 'tiny-parts_1.0+b2_amd64.changes'), 'utf8');
      expect(changes).toMatch(/^Binary-Only: yes$/m);
      expect(changes).toMatch(/^Source: tiny-parts \(1\.0\)$/m);
      expect(changes).toContain('Rebuild, 100%.');
      const digest = () => digestOf(join(first.output, 'tiny-bin_1.0+b2_amd64.deb'));
      const before = await digest();
      await root.build(inputs);
      expect(await digest()).toBe(before);
    },
    MINUTES,
  );

  test(
    'with the environment of a build host: nothing of who runs the tests is in it',
    async () => {
      const { log } = await root.build(await inputsWith({ parts: ['any'] }));
      const names = [...log.matchAll(/^saw: ([A-Za-z_]+)=/gm)].map(([, name]) => name);
      const ours = [
        'DEB_BUILD_OPTIONS',
        'HOME',
        'LANG',
        'LC_ALL',
        'LOGNAME',
        'PATH',
        'SHELL',
        'TERM',
        'USER',
      ];
      expect(names).toEqual(expect.arrayContaining(ours));
      const rest = names.filter(
        (name) =>
          !ours.includes(`${name}`) &&
          !/^(DEB|DPKG|MAKE|MFLAGS|SOURCE_DATE|PWD|OLDPWD|CC|.*FLAGS)/.test(`${name}`),
      );
      expect(rest).toEqual([]);
    },
    MINUTES,
  );

  test(
    'begins with a copy of a ccache folder, whose objects it takes, and which stays as it was',
    async () => {
      const cache = (name: string) => join(root.tree, 'build/ccache', name);
      const empty = await mkdtemp(join(folder, 'empty-'));
      const cold = await root.build(
        await inputsWith({ parts: ['any'], ccache: await uploadCcache(empty, store) }),
      );
      expect(hits(cold.log)).toEqual({ hits: 0, of: 1 });
      const kept = join(folder, 'kept');
      await run(['cp', '--archive', cache('.'), kept]);
      const seed = await uploadCcache(kept, store);
      const warm = await root.build(await inputsWith({ parts: ['any'], ccache: seed }));
      expect(hits(warm.log)).toEqual({ hits: 1, of: 1 });
      expect(warm.results).toEqual(cold.results);
      expect(await uploadCcache(kept, store)).toBe(seed);
      expect(
        createHash('sha256')
          .update(await store.readBytes(seed, 10_000_000))
          .digest('hex'),
      ).toBe(seed);
    },
    2 * MINUTES,
  );

  test.each([
    ['no tar', 'junk', 'the seed of ccache cannot be unpacked'],
    ['the folder and not its content', undefined, 'pack the content of the folder'],
  ])(
    'fails with a seed that is %s, and says so',
    async (_, content, said) => {
      const tar = join(folder, 'bad.tar');
      await run(['mkdir', '-p', join(folder, 'outer/ccache')]);
      await run(['tar', '--create', `--file=${tar}`, `--directory=${join(folder, 'outer')}`, 'ccache']);
      const ccache =
        content === undefined ? await uploadCcache(tar, store) : await store.putBytes(Buffer.from(content));
      await expect(root.build(await inputsWith({ parts: ['any'], ccache }))).rejects.toThrow(said);
    },
    MINUTES,
  );
});

describe('a cross build', () => {
  test(
    'makes packages for the other architecture in a build root whose dpkg knows both',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
      try {
        const source = await tinySource(folder, store);
        const inputs: BuildInputs = await buildInputs({
          kind: 'debian',
          source,
          options: { crossFor: 'arm64' },
        });
        await using root = await chrootBuild(inputs);
        const admindir = `--admindir=${join(root.tree, 'var/lib/dpkg')}`;
        expect((await run(['dpkg', admindir, '--print-foreign-architectures'])).stdout).toBe('arm64\n');
        const format = '$' + '{binary:Package} $' + '{Status}\n';
        const { stdout } = await run(['dpkg-query', admindir, '--show', `--showformat=${format}`]);
        expect(stdout).toContain('libc6:arm64 install ok installed\n');
        expect(stdout.split('\n').filter((line) => line && !line.endsWith(' install ok installed'))).toEqual(
          [],
        );
        const { results, output, log } = await root.build();
        expect(results).toContain('tiny-bin_1.0_arm64.deb');
        expect(log).toContain('saw: DEB_BUILD_PROFILES=cross nocheck\n');
        expect(log).toContain('not tested');
        await run(['dpkg-deb', '--extract', join(output, 'tiny-bin_1.0_arm64.deb'), join(folder, 'x')]);
        const program = await readFile(join(folder, 'x/usr/bin/tiny'));
        // The machine of an ELF header: 183 is AArch64.
        expect(program.readUInt16LE(18)).toBe(183);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    5 * MINUTES,
  );
});

function hits(log: string): { hits: number; of: number } {
  const match = /Cacheable calls:.*\n\s+Hits:\s+(\d+) \/\s+(\d+)/.exec(log);
  return { hits: Number(match?.[1]), of: Number(match?.[2]) };
}

async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
