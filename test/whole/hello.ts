import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../host/run.ts';
import { Lock } from '../../schema/lock.ts';
import { BuildResult } from '../../schema/result.ts';
import { createDirectoryStore } from '../../stores/directory.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const MAIN = join(PROJECT, 'client/main.ts');

export interface HelloBuild {
  vm: BuildResult['vm'];
  /** Of the build command, beside what is the same for all. */
  options: readonly string[];
  /** What the release of the kernel has in it. */
  kernel: string;
  /** Whether it is built again, from its lock: where that is quick. */
  rebuilt?: boolean;
}

/** The one whole Debian package: what a user's `slipway build hello --local` does, in a home of its own. */
export function helloIsBuilt(what: string, build: HelloBuild): void {
  describe(`GNU hello, from its Debian source package, in ${what}, through Temporal, by one command`, () => {
    checks(build);
  });
}

function checks({ vm, options, kernel, rebuilt = false }: HelloBuild): void {
  let home: string;
  let printed: { id: string; result: BuildResult; files: { path: string; location: string }[] };

  const slipway = (...words: string[]) =>
    execa(process.execPath, [MAIN, ...words], {
      env: { SLIPWAY_HOME: home },
      stdin: 'ignore',
      reject: false,
    });

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'slipway-hello-'));
    const cache = join(PROJECT, '.slipway/cache');
    await writeFile(join(home, 'slipway.yaml'), `directories:\n  cache: ${JSON.stringify(cache)}\n`);
    const words = ['build', 'hello', '--local', '--json', '--output', join(home, 'results')];
    const built = await slipway(...words, ...options);
    expect(built.exitCode, built.stderr).toBe(0);
    printed = JSON.parse(built.stdout);
  }, 1_500_000);

  afterAll(() => rm(home, { recursive: true, force: true }));

  test('the result is a valid one, and says so', () => {
    const result = BuildResult.parse(printed.result);
    expect(result).toMatchObject({ outcome: 'succeeded', package: { name: 'hello' }, vm });
    expect(result.kernel?.release).toContain(kernel);
    expect(result.kernel?.from).toBe(vm.type === 'container' ? 'host' : 'package');
    expect(result.build).toMatch(/^build\/hello\/[0-9a-f]{64}$/);
    expect(result.statistics.build?.commandSeconds).toBeGreaterThan(1);
    expect(result.statistics.build?.peakMemoryMiB).toBeGreaterThan(10);
    expect(result.statistics.install?.writeRequests).toBeGreaterThan(100);
  });

  test('the artifacts are Debian packages with the digests that the result names', async () => {
    const names = printed.result.artifacts.map(({ path }) => path);
    expect(names).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^hello_.*_amd64\.deb$/),
        expect.stringMatching(/^hello_.*_amd64\.changes$/),
        expect.stringMatching(/^hello_.*_amd64\.buildinfo$/),
      ]),
    );
    for (const { path, sha256, size } of printed.result.artifacts) {
      const file = join(home, 'results', path);
      expect((await stat(file)).size).toBe(size);
      expect((await run(['sha256sum', '--', file])).stdout.split(' ')[0]).toBe(sha256);
    }
    const deb = names.find((name) => /^hello_.*\.deb$/.test(name)) as string;
    const { stdout } = await run(['dpkg-deb', '--contents', join(home, 'results', deb)]);
    expect(stdout).toContain('./usr/bin/hello');
  });

  test('lock and log lie in the store by digest', async () => {
    const store = createDirectoryStore({ directory: join(home, 'store') });
    const { lock, log } = printed.result;
    const locked = Lock.parse(JSON.parse(Buffer.from(await store.readBytes(lock)).toString()));
    expect(locked.kernel?.package).toMatch(/^linux-image-/);
    expect(locked.base.length + locked.dependencies.length).toBeGreaterThan(150);
    const text = Buffer.from(await store.readBytes(log.sha256)).toString();
    expect(text).toContain('dpkg-buildpackage: info: source package hello');
    expect(text).toContain('Setting up build-essential');
  });

  test('the buildinfo names what was installed', async () => {
    const name = printed.result.artifacts.find(({ path }) => path.endsWith('.buildinfo'))?.path as string;
    const text = await readFile(join(home, 'results', name), 'utf8');
    expect(text).toMatch(/^ gcc-\d+ \(= /m);
  });

  test.runIf(rebuilt)(
    'the same comes out of a second build from its lock, bit by bit',
    { timeout: 900_000 },
    async () => {
      const again = await slipway('rebuild', printed.id, '--compare', '--local', '--json');
      expect(again.exitCode, again.stderr).toBe(0);
      const { comparison, result } = JSON.parse(again.stdout);
      expect(result.lock).toBe(printed.result.lock);
      const verdicts = comparison.artifacts.map(({ path, verdict }: { path: string; verdict: string }) => [
        path.replace(/.*\./, ''),
        verdict,
      ]);
      expect(verdicts.sort()).toEqual([
        ['buildinfo', 'expected'],
        ['changes', 'expected'],
        ['deb', 'identical'],
        ['deb', 'identical'],
      ]);
    },
  );

  test('status answers from the store when no Temporal is left', async () => {
    const status = await slipway('status', 'hello', '--json');
    expect(status.exitCode, status.stderr).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject({ state: 'succeeded' });
  });
}
