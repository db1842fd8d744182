import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** `fast`: units and contracts on real files. `temporal`: workflows on a real server. `guests`: real guests. `slow`: more of them. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{temporal,guest,slow}.test.ts'],
          testTimeout: 30_000,
          // One for each CPU, where vitest leaves one free: half of the time they wait for what they started.
          maxWorkers: availableParallelism(),
        },
      },
      {
        test: {
          name: 'temporal',
          include: ['test/**/*.temporal.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each has a server of its own, and mostly they wait.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'guests',
          include: ['test/**/*.guest.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/**/*.slow.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
