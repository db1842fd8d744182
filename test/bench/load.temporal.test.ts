import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runLoad } from '../../bench/load/run-load.ts';

/** The short form of `npm run bench:load`; enough builds that many of them wait. */
const BUILDS = 60;

test('many builds at once: none is lost or published twice, nothing is left, histories stay short', {
  timeout: 600_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-load-test-'));
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  onTestFinished(async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await rm(folder, { recursive: true, force: true });
  });
  const report = await runLoad({
    ...{ builds: BUILDS, capacity: 8, guest: 'instant', ceiling: 0, patienceSeconds: 120 },
    ...{ signal: new AbortController().signal, tell: () => undefined },
  });
  expect(report.problems).toEqual([]);
  expect(report.steps.claimHost?.each).toBeLessThan(1.5);
  expect(report.history.events.max).toBeLessThan(500);
  expect(report.history.bytes.max).toBeLessThan(1024 ** 2);
  expect(report.memory.rssMiB.end).toBeLessThan(1024);
  expect(report.queueWait.p50).toBeLessThanOrEqual(report.queueWait.p99);
  expect(await readdir(folder)).toEqual([]);
});
