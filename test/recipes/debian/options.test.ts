import { expect, test } from 'vitest';
import { problems, validKeysOf } from '../../../schema/problems.ts';
import { BuildRequest } from '../../../schema/request.ts';

const DIGEST = 'a'.repeat(64);
const NMU = { number: 1, text: 'Rebuild' };

function problemsOf(options: object): string[] {
  const recipe = { kind: 'debian', source: { name: 'hello' }, options };
  const parsed = BuildRequest.safeParse({ recipe });
  return parsed.success ? [] : problems(parsed.error, validKeysOf(BuildRequest));
}

const pin = (change: object) => ({ pins: [{ package: 'foo', pin: 'version 1', priority: 1, ...change }] });

test.each<[object]>([
  [{}],
  [{ parts: ['source'] }],
  [{ crossFor: 'riscv64' }],
  [{ binNmu: NMU, parts: ['any'] }],
  [
    {
      binNmu: { ...NMU, text: 'Für libö (>= 2), 100% $x', maintainer: 'A. B <a@b>', timestamp: 0 },
      parts: ['any'],
    },
  ],
  [{ localPackages: [{ name: 'My foo_1%3a2_all.deb', sha256: DIGEST }] }],
  [pin({ package: '*', pin: 'release a=stable, n=bookworm*', priority: -1 })],
  [pin({ package: 'src:gcc-12', pin: 'origin mirror.example.org', priority: 32_767 })],
  [pin({ package: 'libc?:arm64', pin: 'origin ""' })],
  [pin({ pin: 'version 1:2.0~rc1+b?-*' })],
  [{ debugPackages: false }],
  [{ debugPackages: true }],
  [{ ccache: DIGEST }],
])('takes %j', (options) => {
  expect(problemsOf(options)).toEqual([]);
});

test.each<[object, string]>([
  [{ parts: [] }, 'parts: '],
  [{ parts: ['binary'] }, 'parts[0]: '],
  [{ profiles: ['a b'] }, 'profiles[0]: '],
  [{ buildOptions: ['no check'] }, 'buildOptions[0]: '],
  [{ buildOptions: ['$(x)'] }, 'buildOptions[0]: '],
  [{ crossFor: 'all' }, 'crossFor: '],
  [{ crossFor: 'arm64; x' }, 'crossFor: '],
  [{ binNmu: NMU }, 'parts: are any, all: a binary-only rebuild (binNmu) makes nothing but'],
  [{ binNmu: NMU, parts: ['any', 'source'] }, 'parts: are any, source: '],
  [{ binNmu: { ...NMU, number: 0 }, parts: ['any'] }, 'binNmu.number: '],
  [{ binNmu: { ...NMU, text: '' }, parts: ['any'] }, 'binNmu.text: must be one line'],
  [{ binNmu: { ...NMU, text: ' a' }, parts: ['any'] }, 'binNmu.text: must be one line'],
  [{ binNmu: { ...NMU, text: 'a\n -- x <x@x>' }, parts: ['any'] }, 'binNmu.text: must be one line'],
  [{ binNmu: { ...NMU, text: 'a\u2028b' }, parts: ['any'] }, 'binNmu.text: must be one line'],
  [{ binNmu: { ...NMU, maintainer: 'nobody' }, parts: ['any'] }, 'binNmu.maintainer: must be written as'],
  [{ binNmu: { ...NMU, timestamp: -1 }, parts: ['any'] }, 'binNmu.timestamp: '],
  [{ binNmu: { ...NMU, date: 'today' }, parts: ['any'] }, 'binNmu.date: unknown field'],
  [{ localPackages: [{ name: 'foo.rpm', sha256: DIGEST }] }, 'localPackages[0].name: must end in .deb'],
  [{ localPackages: [{ name: '../foo.deb', sha256: DIGEST }] }, 'localPackages[0].name: must be a plain'],
  [{ localPackages: [{ name: 'foo.deb' }] }, 'localPackages[0].sha256: is missing'],
  [
    {
      localPackages: [
        { name: 'a.deb', sha256: DIGEST },
        { name: 'a.deb', sha256: DIGEST },
      ],
    },
    'localPackages[1].name: is given twice: a.deb',
  ],
  [pin({ package: 'foo\nPin: x' }), 'pins[0].package: must be a package name'],
  [pin({ package: '/^foo/' }), 'pins[0].package: must be a package name'],
  [pin({ package: 'foo bar' }), 'pins[0].package: must be a package name'],
  [pin({ pin: 'version 1\nPin-Priority: 1000' }), 'pins[0].pin: must be written as'],
  [pin({ pin: 'version /1/' }), 'pins[0].pin: must be written as'],
  [pin({ pin: 'release x=1' }), 'pins[0].pin: must be written as'],
  [pin({ pin: 'release' }), 'pins[0].pin: must be written as'],
  [pin({ pin: 'origin http://x/' }), 'pins[0].pin: must be written as'],
  [pin({ pin: 'anything' }), 'pins[0].pin: must be written as'],
  [pin({ priority: 0 }), 'pins[0].priority: must not be 0'],
  [pin({ priority: 40_000 }), 'pins[0].priority: '],
  [pin({ priority: 1.5 }), 'pins[0].priority: '],
  [{ debugPackages: 'no' }, 'debugPackages: '],
  [{ ccache: '/home/me/.ccache' }, 'ccache: must be a SHA-256'],
  [{ extraPackages: ['foo (>= 1)'] }, 'extraPackages[0]: must be a Debian package name'],
  [{ extraPackages: ['foo, bar'] }, 'extraPackages[0]: must be a Debian package name'],
])('refuses %j', (options, said) => {
  const found = problemsOf(options);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(`recipe.options.${said}`);
});

test('refuses to cross-build for the architecture that builds', () => {
  expect(problemsOf({ crossFor: 'amd64' })).toEqual([
    'recipe.options.crossFor: is amd64, the architecture of the build root itself: leave it out',
  ]);
});
