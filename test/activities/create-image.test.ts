import { expect, test } from 'vitest';
import { swapSize } from '../../activities/create-image.ts';
import { Limits, Resources } from '../../schema/request.ts';

test.each([
  ['device', { swapMiB: 16 }, { artifactsMiB: 5000 }, 16],
  // The list, the artifacts, what fills up the last unit of each file.
  ['swap', { swapMiB: 16 }, { artifactsMiB: 5000, artifactFiles: 10_000 }, 64 + 5000 + 5 + 1],
  ['swap', { swapMiB: 16 }, { artifactsMiB: 1, artifactFiles: 1 }, 64 + 1 + 1 + 1],
  ['swap', { swapMiB: 8192 }, { artifactsMiB: 5000 }, 8192],
] as const)('content on the %s, %j, %j: a swap of %i MiB', (content, resources, limits, swap) => {
  const request = { resources: Resources.parse(resources), limits: Limits.parse(limits) };
  expect(swapSize(request, { content })).toBe(swap);
});
