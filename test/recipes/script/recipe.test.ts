import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../host/run.ts';
import { recipes } from '../../../recipes/index.ts';
import type { Lock } from '../../../schema/lock.ts';
import { BuildRequest } from '../../../schema/request.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const DIGEST = 'a'.repeat(64);
const SOURCE = { name: 'foo.tar', urls: [], size: 1, sha256: DIGEST };

function requestOf(recipe: object): BuildRequest {
  return BuildRequest.parse({ recipe: { kind: 'script', name: 'foo', script: 'make\n', ...recipe } });
}

const LOCK: Lock = {
  version: 1,
  architecture: 'amd64',
  source: { name: 'foo', version: '1.2', files: [SOURCE] },
  base: [],
  dependencies: [],
  repositories: [],
};

const planOf = (recipe: object) => recipes.script.plan(requestOf(recipe), LOCK);

test('the sources lie in the work folder, the script runs there as the builder, its folder is the result', () => {
  const plan = planOf({ output: 'build/out' });
  expect(plan.sources).toEqual([SOURCE]);
  expect(plan.outputDirectory).toBe(`${plan.sourcesDirectory}/build/out`);
  expect(new Set(plan.build.map(({ user, cwd }) => `${user} ${cwd}`))).toEqual(
    new Set([`builder ${plan.sourcesDirectory}`]),
  );
  expect(new Set(plan.install.unpacked.map(({ user }) => user))).toEqual(new Set(['root']));
  expect(plan.build[1]?.argv).toEqual(['/usr/bin/env', '/bin/sh', '-e', '/build/script']);
});

test('a script that names its interpreter is run by it', () => {
  expect(planOf({ script: '#!/bin/bash\n' }).build[1]?.argv).toEqual(['/usr/bin/env', '/build/script']);
});

test('variables reach the script alone, not what makes its process the builder’s', () => {
  const plan = planOf({ environment: { LD_PRELOAD: '/build/evil.so', A: 'b c' } });
  for (const { env } of plan.build) expect(env).not.toHaveProperty('LD_PRELOAD');
  expect(plan.build[1]?.argv.slice(0, 3)).toEqual(['/usr/bin/env', 'LD_PRELOAD=/build/evil.so', 'A=b c']);
});

test('nothing of a request becomes part of a text for the shell', () => {
  const texts = (plan: ReturnType<typeof planOf>) =>
    [...plan.install.unpacked, ...plan.build]
      .filter(({ argv }) => argv[1] === '-c')
      .map(({ argv }) => argv[2]);
  expect(texts(planOf({ script: '$(reboot)', output: '$(x)', environment: { A: '$(y)' } }))).toEqual(
    texts(planOf({})),
  );
});

test.each(['%s\\n"$HOME`', '-e\n', "it's\n\n\n", '#!/bin/sh\r\nö\n'])(
  'the text %j is written as it is, whatever a shell would make of it',
  async (script) => {
    const [program = '', ...words] = planOf({ script }).build[0]?.argv ?? [];
    const file = join(await temporaryFolder(), 'script');
    await run([program, ...words.slice(0, -1), file]);
    expect(await readFile(file, 'utf8')).toBe(script);
    expect((await stat(file)).mode & 0o777).toBe(0o755);
  },
);

test('a script that leaves no folder fails, and says which; a link to one is none', async () => {
  const work = await temporaryFolder();
  const [program = '', ...words] = planOf({ output: 'out' }).build[2]?.argv ?? [];
  const check = () => run([program, ...words], { cwd: work });
  await expect(check()).rejects.toThrow('the script left no folder out');
  await symlink('/etc', join(work, 'out'));
  await expect(check()).rejects.toThrow('the script left a symbolic link and no folder out');
  await run(['rm', join(work, 'out')]);
  await writeFile(join(work, 'out'), '');
  await expect(check()).rejects.toThrow('the script left no folder out');
  await run(['rm', join(work, 'out')]);
  await mkdir(join(work, 'out'));
  await check();
});

test('it wants what it names, and nothing of a Debian build', () => {
  const sources = [
    { name: 'a', sha256: DIGEST },
    { url: 'https://h/x/b%20c.tar?d', sha256: DIGEST },
  ];
  expect(recipes.script.wanted(requestOf({ sources, packages: ['gcc'] }))).toMatchObject({
    source: {
      kind: 'files',
      name: 'foo',
      version: '0',
      files: [
        { name: 'a', sha256: DIGEST },
        { name: 'b c.tar', sha256: DIGEST, url: 'https://h/x/b%20c.tar?d' },
      ],
    },
    base: [],
    packages: ['gcc'],
    parts: [],
  });
});

test('a recipe refuses a request of another kind', () => {
  expect(() => recipes.debian.wanted(requestOf({}))).toThrow(
    'a request of kind script for the recipe debian',
  );
});
