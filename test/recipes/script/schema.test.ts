import { expect, test } from 'vitest';
import { problems, validKeysOf } from '../../../schema/problems.ts';
import { BuildRequest } from '../../../schema/request.ts';

const DIGEST = 'a'.repeat(64);
const URL = 'https://mirror.example/foo-1.tar.gz';

function problemsOf(change: object): string[] {
  const recipe = { kind: 'script', name: 'foo', script: 'true', ...change };
  const parsed = BuildRequest.safeParse({ recipe });
  return parsed.success ? [] : problems(parsed.error, validKeysOf(BuildRequest));
}

test.each<[object]>([
  [{}],
  [{ version: '1:2.0~rc1+b1-3' }],
  [{ sources: [{ name: 'a b.tar', sha256: DIGEST }] }],
  [{ sources: [{ url: URL, sha256: DIGEST }] }],
  [{ sources: [{ url: 'https://mirror.example/', sha256: DIGEST, name: 'x' }] }],
  [{ packages: ['g++', 'libc6-dev:arm64'] }],
  [{ output: 'a/b/..c' }],
  [{ output: '...' }],
  [{ environment: { A_1: '', PATH: '/x', LINES: 'a\nb', _: 'ö' } }],
  [{ script: '#!/usr/bin/perl\n"\'$`\\\n' }],
  [{ script: 'x'.repeat(65_536) }],
])('takes %j', (change) => {
  expect(problemsOf(change)).toEqual([]);
});

test.each<[object, string]>([
  [{ name: 'Foo' }, 'recipe.name: must have lower-case letters'],
  [{ name: 'a/b' }, 'recipe.name: must have lower-case letters'],
  [{ name: undefined }, 'recipe.name: is missing'],
  [{ version: '1 2' }, 'recipe.version: must have letters'],
  [{ version: '../x' }, 'recipe.version: must have letters'],
  [{ sources: [{ name: '../a', sha256: DIGEST }] }, 'recipe.sources[0].name: must be a plain file name'],
  [{ sources: [{ name: 'a' }] }, 'recipe.sources[0]: needs one of sha256, url'],
  [{ sources: [{ url: URL }] }, 'recipe.sources[0].sha256: is missing'],
  [
    { sources: [{ url: 'file:///etc/shadow', sha256: DIGEST }] },
    'recipe.sources[0].url: must be an http or https URL',
  ],
  [{ sources: [{ url: 'https://me:it@h/x', sha256: DIGEST }] }, 'recipe.sources[0].url: must be https'],
  [{ sources: [{ url: 'https://h/', sha256: DIGEST }] }, 'recipe.sources[0].name: is missing'],
  [{ sources: [{ url: 'https://h/%2F', sha256: DIGEST }] }, 'recipe.sources[0].name: is missing'],
  [
    {
      sources: [
        { url: URL, sha256: DIGEST },
        { name: 'foo-1.tar.gz', sha256: DIGEST },
      ],
    },
    'recipe.sources[1].name: is given twice: foo-1.tar.gz',
  ],
  [{ packages: ['gcc; rm'] }, 'recipe.packages[0]: must be a Debian package name'],
  [{ packages: ['-oDebug=1'] }, 'recipe.packages[0]: must be a Debian package name'],
  [{ packages: ['gcc (>= 1)'] }, 'recipe.packages[0]: must be a Debian package name'],
  [{ script: '' }, 'recipe.script: '],
  [{ script: 'a\0b' }, 'recipe.script: a script cannot have a NUL character'],
  [{ script: 'ö'.repeat(40_000) }, 'recipe.script: must have at most 64 KiB'],
  [{ output: '' }, 'recipe.output: must be a folder below'],
  [{ output: '.' }, 'recipe.output: must be a folder below'],
  [{ output: '/etc' }, 'recipe.output: must be a folder below'],
  [{ output: 'a/../..' }, 'recipe.output: must be a folder below'],
  [{ output: 'a//b' }, 'recipe.output: must be a folder below'],
  [{ output: 'a/' }, 'recipe.output: must be a folder below'],
  [{ output: 'a\nb' }, 'recipe.output: must be a folder below'],
  [{ environment: { 'A=B': '1' } }, 'recipe.environment.A=B: '],
  [{ environment: { A: 'x\0y' } }, 'recipe.environment.A: a value cannot have a NUL character'],
  [{ environment: { A: 'x'.repeat(40_000) } }, 'recipe.environment: must have at most 32 KiB'],
  [{ shell: 'bash' }, 'recipe.shell: unknown field'],
])('refuses %j', (change, said) => {
  const found = problemsOf(change);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(said);
});
