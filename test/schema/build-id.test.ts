import { describe, expect, it } from 'vitest';
import type { DebianSource } from '../../recipes/debian/schema.ts';
import { buildId, packageName } from '../../schema/build-id.ts';
import { BuildRequest, type BuildRequestInput } from '../../schema/request.ts';

const HELLO: BuildRequestInput = { recipe: { kind: 'debian', source: { name: 'hello' } } };
const id = (request: unknown) => buildId(BuildRequest.parse(request));

describe('buildId', () => {
  // Public API: services compute it on their own. A change of a default changes it and is a breaking change.
  it('is what it always was', () => {
    expect(id(HELLO)).toBe('build/hello/5817da3849bb734957434e969cf006f04851f232fa7684450552f9ee58e62adb');
  });

  it('does not depend on the order of fields', () => {
    const there = { resources: { cpus: 4, memoryMiB: 1024 }, ...HELLO };
    const here = { ...HELLO, resources: { memoryMiB: 1024, cpus: 4 } };
    expect(id(there)).toBe(id(here));
  });

  it('does not depend on whether a default is written', () => {
    expect(
      id({ ...HELLO, architecture: 'amd64', resources: { cpus: 2 }, vm: { isolation: 'emulated' } }),
    ).toBe(id(HELLO));
  });

  it.each<[string, object]>([
    ['memory', { resources: { memoryMiB: 4096 } }],
    ['a limit', { limits: { totalSeconds: 60 } }],
    ['the isolation', { vm: { isolation: 'secure' } }],
    ['the source', { recipe: { kind: 'debian', source: { name: 'hello', version: '2.10-3' } } }],
    [
      'an option',
      { recipe: { kind: 'debian', source: { name: 'hello' }, options: { buildOptions: ['nocheck'] } } },
    ],
  ])('depends on %s', (_what, change) => {
    expect(id({ ...HELLO, ...change })).not.toBe(id(HELLO));
  });
});

describe('packageName', () => {
  it.each<[DebianSource, string]>([
    [{ name: 'hello' }, 'hello'],
    [{ url: 'https://mirror.example/pool/libfoo%2B_1.dsc' }, 'libfoo+'],
    [{ url: 'https://mirror.example/' }, 'unnamed'],
    [{ url: 'https://mirror.example/%zz_1.dsc' }, 'unnamed'],
    [{ url: `https://mirror.example/${'a'.repeat(240)}_1.dsc` }, 'unnamed'],
    [
      {
        files: [
          { name: 'a_1.tar.gz', sha256: '0'.repeat(64) },
          { name: 'hello_2.10-3.dsc', sha256: '0'.repeat(64) },
        ],
      },
      'hello',
    ],
    [{ files: [{ name: 'We ird.dsc', sha256: '0'.repeat(64) }] }, 'unnamed'],
  ])('of %j is %s', (source, name) => {
    expect(packageName(BuildRequest.parse({ recipe: { kind: 'debian', source } }))).toBe(name);
  });
});

it('of a script is the name that the request gives it', () => {
  const recipe = { kind: 'script', name: 'foo+bar', script: 'true' };
  expect(packageName(BuildRequest.parse({ recipe }))).toBe('foo+bar');
  expect(id({ recipe })).toMatch(/^build\/foo\+bar\/[0-9a-f]{64}$/);
});
