import { expect, it } from 'vitest';
import { type InputPart, inputsOf, Lock } from '../../schema/lock.ts';

const file = (name: string) => ({ name, urls: [], size: 1, sha256: 'a'.repeat(64) });
const entry = (name: string) => ({
  ...file(`${name}.deb`),
  package: name,
  version: '1',
  architecture: 'all',
});

/** As the first release wrote them: they lie in stores for as long as the results that name them. */
const OLD = {
  version: 1,
  architecture: 'amd64',
  source: { name: 'hello', version: '2.10-3', dsc: 'hello.dsc', files: [file('hello.dsc')] },
  base: [entry('dpkg')],
  dependencies: [entry('debhelper')],
  kernel: entry('linux-image'),
  repositories: [],
};

it('of an older slipway is still read, as it was', () => {
  expect(Lock.parse(OLD)).toEqual(OLD);
});

it('may have no .dsc, and files beside the source', () => {
  const { dsc, ...source } = OLD.source;
  const lock = { ...OLD, source, files: [file('seed.tar')] };
  expect(Lock.parse(lock)).toEqual(lock);
  expect(dsc).toBe('hello.dsc');
});

it('names every file that is to be fetched', () => {
  const lock = Lock.parse({ ...OLD, files: [file('seed.tar')] });
  expect(inputsOf(lock).map(({ name }) => name)).toEqual([
    'hello.dsc',
    'seed.tar',
    'dpkg.deb',
    'debhelper.deb',
    'linux-image.deb',
  ]);
});

it.each<[parts: InputPart[] | undefined, names: string]>([
  [undefined, 'hello.dsc seed.tar dpkg.deb debhelper.deb linux-image.deb perl.deb'],
  [['base', 'dependencies', 'guest'], 'hello.dsc seed.tar dpkg.deb debhelper.deb linux-image.deb perl.deb'],
  [['guest'], 'hello.dsc seed.tar linux-image.deb perl.deb'],
  [['base'], 'dpkg.deb'],
  [['dependencies'], 'debhelper.deb'],
  [['dependencies', 'base'], 'dpkg.deb debhelper.deb'],
  [[], ''],
])('of the parts %j names these files', (parts, names) => {
  const lock = Lock.parse({ ...OLD, files: [file('seed.tar')], toolkit: [entry('perl')] });
  expect(
    inputsOf(lock, parts)
      .map(({ name }) => name)
      .join(' '),
  ).toBe(names);
});

it.each([
  ['another version', { version: 2 }],
  ['a field that nobody knows', { extra: 1 }],
  ['no source', { source: undefined }],
  ['a digest that is none', { files: [{ ...file('x'), sha256: 'A' }] }],
])('is refused with %s', (_, change) => {
  expect(Lock.safeParse({ ...OLD, ...change }).success).toBe(false);
});
