import { expect, test } from 'vitest';
import { swapSize } from '../../activities/create-image.ts';
import { Limits, Resources } from '../../schema/request.ts';

/** A lock with files of these MiB. */
const lockOf = (sources: number[], packages: number[]) => {
  const files = (sizes: number[]) => sizes.map((size) => ({ ...FILE, size: size * 1024 ** 2 }));
  return {
    source: { name: 'x', version: '1', files: files(sources) },
    base: [],
    dependencies: files(packages),
  };
};
const FILE = {
  ...{ name: 'x', urls: [], sha256: 'a'.repeat(64) },
  ...{ package: 'x', version: '1', architecture: 'amd64' },
};

test.each([
  ['device', { swapMiB: 16 }, { artifactsMiB: 5000 }, 16],
  // The list, the artifacts, what fills up the last unit of each file.
  ['swap', { swapMiB: 16 }, { artifactsMiB: 5000, artifactFiles: 10_000 }, 64 + 5000 + 5 + 1],
  ['swap', { swapMiB: 16 }, { artifactsMiB: 1, artifactFiles: 1 }, 64 + 1 + 1 + 1],
  ['swap', { swapMiB: 8192 }, { artifactsMiB: 5000 }, 8192],
] as const)('content on the %s, %j, %j: a swap of %i MiB', (content, resources, limits, swap) => {
  const request = { resources: Resources.parse(resources), limits: Limits.parse(limits) };
  expect(swapSize(request, { content }, lockOf([], []))).toBe(swap);
});

test.each([
  [[1], [1], 16],
  [[100, 20], [], 100 + 20 + 3],
  [[1], [100, 20], 100 + 20 + 3],
])(
  'sources of %j MiB and packages of %j MiB are handed in through a swap of %i MiB',
  (sources, packages, swap) => {
    const request = { resources: Resources.parse({ swapMiB: 16 }), limits: Limits.parse({}) };
    expect(swapSize(request, { content: 'device' }, lockOf(sources, packages))).toBe(swap);
  },
);
