import { expect, test } from 'vitest';
import { Architecture } from '../../schema/request.ts';
import {
  ARCHITECTURES,
  kernelArchitecture,
  nativeArchitectures,
  nativeKernelArchitecture,
  offeredArchitectures,
} from '../../vm/architectures.ts';

test.each([
  ['amd64', 'amd64', 'linux'],
  ['i386', 'amd64', 'linux32'],
  ['arm64', 'arm64', 'linux'],
  ['armhf', 'arm64', 'linux32'],
] as const)('%s runs on a kernel for %s, under %s', (architecture, kernel, personality) => {
  expect(kernelArchitecture(architecture)).toBe(kernel);
  expect(ARCHITECTURES[architecture].personality).toBe(personality);
});

test('every architecture that a request can name is there', () => {
  expect(Object.keys(ARCHITECTURES).sort()).toEqual([...Architecture.options].sort());
});

test.each([
  ['x64', ['amd64', 'i386']],
  ['arm64', ['arm64', 'armhf']],
])('a host that Node calls %s runs %j without emulation', (processor, architectures) => {
  expect(nativeArchitectures(nativeKernelArchitecture(processor))).toEqual(architectures);
});

test.each([
  [undefined, ['amd64', 'i386']],
  [
    ['arm64', 'i386', 'amd64'],
    ['amd64', 'i386', 'arm64'],
  ],
  [
    ['armhf', 'arm64'],
    ['armhf', 'arm64'],
  ],
  [['i386'], ['i386']],
] as const)('where %j are configured an amd64 host tries %j, in that order', (architectures, tried) => {
  expect(offeredArchitectures({ architectures }, ['amd64', 'i386'])).toEqual(tried);
});

test('a host of another processor is unfit', () => {
  expect(() => nativeKernelArchitecture('riscv64')).toThrow('workers run on amd64 and arm64, not on riscv64');
});
