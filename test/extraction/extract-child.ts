import { readdir } from 'node:fs/promises';
import { extractArtifacts } from '../../extraction/extract.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { BOOT } from './guest-disk.ts';

/** Extracts in a process of its own and prints as JSON how that ended, how long it took and what memory it used. */
const [disk = '', swap = '', into = '', threads] = process.argv.slice(2);
const before = process.memoryUsage().rss;
const started = performance.now();
let failure: string | undefined;
let bytes = 0;
try {
  const limits = { bytes: 2 ** 40, files: 1000 };
  const signal = new AbortController().signal;
  const orders = { ...BOOT, disk, swap, into, limits, signal, report: () => {} };
  const how = threads === undefined ? {} : { threads: Number(threads) };
  const artifacts = await extractArtifacts({ ...orders, ...how });
  bytes = artifacts.reduce((sum, { size }) => sum + size, 0);
} catch (error) {
  failure = error instanceof SlipwayFailure ? error.type : `${error}`;
}
const seconds = (performance.now() - started) / 1000;
const grown = process.resourceUsage().maxRSS * 1024 - before;
const left = await readdir(into);
process.stdout.write(JSON.stringify({ failure, bytes, seconds, grown, left }));
