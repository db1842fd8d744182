import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../host/run.ts';
import { readDsc, signedText } from '../../repositories/dsc.ts';
import { BuildResult } from '../../schema/result.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const MAIN = join(PROJECT, 'client/main.ts');
const MINUTES = 60_000;

/** What must not show in any build: a person's own environment. */
const OWN = {
  DEB_BUILD_OPTIONS: 'nocheck own-word',
  DEB_BUILD_PROFILES: 'own-profile',
  CFLAGS: '-DOWN_FLAG',
  DEBEMAIL: 'own@example.org',
  DEBFULLNAME: 'Own Name',
  MAKEFLAGS: '--own-flag',
};

/** Each kind of recipe by one command, whole: through Temporal, in containers, since those take a minute and not ten. */
describe('a build in a container, by one command', () => {
  let home: string;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'slipway-recipes-'));
    const cache = join(PROJECT, '.slipway/cache');
    // No other type, so that none has to be proven first.
    const types = 'vm:\n  types: [container]\n';
    await writeFile(join(home, 'slipway.yaml'), `${types}directories:\n  cache: ${JSON.stringify(cache)}\n`);
  });

  afterAll(() => rm(home, { recursive: true, force: true }));

  async function built(name: string, ...words: string[]) {
    const folder = join(home, name);
    const fixed = ['--local', '--vm', 'container', '--json', '--output', folder];
    const { exitCode, stdout, stderr } = await execa(process.execPath, [MAIN, 'build', ...words, ...fixed], {
      env: { ...OWN, SLIPWAY_HOME: home },
      stdin: 'ignore',
      reject: false,
    });
    expect(exitCode, stderr).toBe(0);
    const result = BuildResult.parse(JSON.parse(stdout).result);
    const log = await readFile(join(folder, `${result.package.name}_${result.package.version}.log`), 'utf8');
    for (const word of ['own-word', 'own-profile', 'OWN_FLAG', 'own@example.org', 'Own Name', '--own-flag']) {
      expect(`${stdout}${log}`).not.toContain(word);
    }
    return { result, folder, names: result.artifacts.map(({ path }) => path) };
  }

  test(
    'of a script, over a local source, with variables of its own alone',
    async () => {
      const script = join(home, 'build.sh');
      const text =
        '#!/bin/bash\nset -eu\nmkdir out\ngcc -o out/hi hi.c\n[[ $MODE == fast ]]\nenv | sort > out/env\n';
      await writeFile(script, text);
      await writeFile(join(home, 'hi.c'), '#include <stdio.h>\nint main(void) { return puts("hi") < 0; }\n');
      const { result, folder, names } = await built(
        'script',
        ...['--script', script, '--name', 'hi', '--package-version', '1.2', '--source', join(home, 'hi.c')],
        ...['--package', 'gcc', '--package', 'libc6-dev', '--collect', 'out', '--env', 'MODE=fast'],
      );
      expect(result.package).toEqual({ name: 'hi', version: '1.2' });
      expect(names.sort()).toEqual(['env', 'hi']);
      expect((await run([join(folder, 'hi')])).stdout).toBe('hi\n');
      const variables = (await readFile(join(folder, 'env'), 'utf8')).match(/^[A-Z_]+(?==)/gim);
      expect(variables?.sort()).toEqual(
        [
          'HOME',
          'LANG',
          'LC_ALL',
          'LOGNAME',
          'MODE',
          'PATH',
          'PWD',
          'SHELL',
          'SHLVL',
          'TERM',
          'USER',
          '_',
        ].sort(),
      );
    },
    10 * MINUTES,
  );

  test(
    'of hello: its source package and the binary one',
    async () => {
      const words = ['hello', '--parts', 'any,source', '--no-debug-packages'];
      const { names, folder } = await built('parts', ...words);
      const only = (ending: string) => names.filter((name) => name.endsWith(ending));
      const [dsc] = only('.dsc');
      const text = await readFile(join(folder, `${dsc}`), 'utf8');
      const listed = readDsc(signedText(text, `${dsc}`).text, `${dsc}`).files.map(({ name }) => name);
      expect(listed.join()).toContain('.orig.tar.');
      expect(only('_amd64.deb')).toEqual([expect.stringMatching(/^hello_/)]);
      const records = [...only('_amd64.buildinfo'), ...only('_amd64.changes')];
      expect([...names].sort()).toEqual([...listed, dsc, ...only('_amd64.deb'), ...records].sort());
    },
    10 * MINUTES,
  );

  test(
    'of hello rebuilt for another architecture',
    async () => {
      const words = ['--cross-for', 'arm64', '--binnmu', '3:Rebuild for a test'];
      const { result, folder, names } = await built('cross', 'hello', ...words);
      expect(result.package.version).toMatch(/\+b3$/);
      const deb = names.find((name) => /^hello_.*\+b3_arm64\.deb$/.test(name));
      const changes = names.find((name) => name.endsWith('+b3_arm64.changes'));
      expect(await readFile(join(folder, `${changes}`), 'utf8')).toContain('Rebuild for a test');
      await run(['dpkg-deb', '--extract', join(folder, `${deb}`), join(folder, 'x')]);
      const program = await readFile(join(folder, 'x/usr/bin/hello'));
      // The machine of an ELF header: 183 is AArch64.
      expect(program.readUInt16LE(18)).toBe(183);
    },
    10 * MINUTES,
  );
});
