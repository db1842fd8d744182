import { expect, it } from 'vitest';
import { overheadOf } from '../../../bench/peers/peer.ts';
import { spansOf } from '../../../bench/peers/slipway.ts';
import type { Statistics, VmStatistics } from '../../../schema/result.ts';

const startedAt = '2026-11-21T17:10:40.000Z';
const endedAt = '2026-11-21T17:12:22.000Z';
const published = Date.parse(startedAt) + 103_000;

function statistics(build?: Partial<VmStatistics>): Statistics {
  const vm = { seconds: 12.4, bootSeconds: 1.2, commandSeconds: 10.9, ...build };
  const zero = { peakMemoryMiB: 0, peakDiskMiB: 0, peakSwapMiB: 0, logBytes: 0 };
  const disks = { readRequests: 0, writeRequests: 0, readSectors: 0, writtenSectors: 0 };
  return {
    totalSeconds: 102,
    // More than the whole, since some of them overlap.
    phaseSeconds: { resolve: 11, image: 60, fetch: 60, build: 12.7, extract: 0.1, upload: 0.2 },
    ...{ downloadedBytes: 0, inputBytes: 0, artifactBytes: 0 },
    ...(build === undefined ? {} : { build: { ...vm, ...zero, ...disks } }),
  };
}

it('what is neither the own build nor after it is before it, whatever overlaps', () => {
  const spans = spansOf({ startedAt, endedAt, statistics: statistics({}) }, published);
  expect(spans.own).toBe(10.9);
  // Power-off and supervisor, extraction, upload, publication.
  expect(spans.after).toBeCloseTo(0.6 + 0.1 + 0.2 + 1);
  expect(spans.own + (overheadOf(spans) ?? 0)).toBeCloseTo(103);
});

it('a build without a guest has none', () => {
  expect(() => spansOf({ startedAt, endedAt, statistics: statistics() }, published)).toThrow('guest');
});
