import { expect, it } from 'vitest';
import { requestFor } from '../../../bench/peers/inputs.ts';
import { buildScript, packageList } from '../../../bench/peers/obs-build-inputs.ts';
import { recipes } from '../../../recipes/index.ts';
import type { Lock } from '../../../schema/lock.ts';

const lock: Lock = {
  version: 1,
  architecture: 'amd64',
  source: { name: 'hello', version: '2.10-3', dsc: 'hello_2.10-3.dsc', files: [] },
  ...{ base: [], dependencies: [], repositories: [] },
};

it('build.script runs the commands of the recipe with their environment between two times', () => {
  const plan = recipes.debian.plan(requestFor('hello'), lock);
  const [begin, stop, unpack, build, end] = buildScript({ plan }).split('\n');
  expect(begin).toBe(`printf '@@slipway begin %s\\n' "$(date +%s.%N)"`);
  expect(stop).toBe('set -e');
  expect(unpack).toMatch(
    /^cd \/usr\/src\/packages && env -i PATH=\S+ .*DEB_BUILD_OPTIONS=parallel=2 dpkg-source --extract \/usr\/src\/packages\/SOURCES\/hello_2\.10-3\.dsc hello-2\.10$/,
  );
  expect(build).toMatch(
    /^cd \/usr\/src\/packages\/hello-2\.10 && env -i PATH=\S+ .*HOME=\/nonexistent.* dpkg-buildpackage -us -uc --build=\S+$/,
  );
  expect(end).toBe(`printf '@@slipway end %s\\n' "$(date +%s.%N)"`);
});

it('the list names each package with its file, and what comes before the others', () => {
  const names = [
    'base-passwd',
    'bash',
    'gcc-12',
    'gcc-12-base',
    'libc6',
    'libcapstone4',
    'perl-base',
    'kernel-obs-build',
  ];
  const text = packageList(names.map((name) => ({ package: name, file: `/debs/${name}.deb` })));
  expect(text.split('\n')).toEqual([
    ...names.map((name) => `${name} /debs/${name}.deb`),
    'preinstall: base-passwd bash gcc-12-base libc6 perl-base',
    'vminstall: kernel-obs-build',
    'runscripts: base-passwd base-files mawk',
    '',
  ]);
});
