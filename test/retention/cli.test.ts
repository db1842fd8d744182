import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../host/run.ts';
import { putResult } from '../support/results.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { agedStore, daysAgo } from './fixtures/aged-store.ts';

const SLIPWAY = resolve(import.meta.dirname, '..', '..', 'client', 'slipway');

/** The command line with a store, and a Temporal address where nobody answers. */
async function shell(configuration = '') {
  const aged = await agedStore();
  const home = await temporaryFolder();
  await writeFile(
    join(home, 'slipway.yaml'),
    `store: {directory: ${JSON.stringify(aged.directory)}}\n${configuration}\n`,
  );
  const env = { SLIPWAY_HOME: home, TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const slipway = (...args: string[]) =>
    run([SLIPWAY, 'gc', ...args], { accept: [1, 2, 3], cwd: home, env, timeout: 60_000 });
  return { ...aged, home, slipway };
}

describe('ends with the documented code and says what to do:', () => {
  test.each<[string[], number, string]>([
    [[], 2, 'There is no rule which results may go'],
    [['--dry-run'], 2, '--older-than "90 d"'],
    [['--keep', '5'], 3, 'No Temporal server answers'],
    [['--keep', '5', '--dry-run'], 3, '--without-temporal'],
    [['--keep', '0'], 2, 'It must be 1 or more'],
    [['--keep', 'all'], 2, 'It must be a whole number'],
    [['--older-than', '90'], 2, 'is not a duration'],
    [['--older-than', '3 weeks'], 2, 'write a number and s, min, h or d'],
    [['--keep', '5', '--grace', '59 min'], 2, 'too short'],
    [['--keep', '5', '--without-temporal', '--grace', '0 s'], 2, 'too short'],
    [['--keep', '5', '--max-size', '1 GiB'], 2, '--max-size needs --host'],
    [['--host'], 2, 'There is no rule what may go of the caches'],
    [['--host', '--keep', '5'], 2, '--keep and --host do not go together'],
    [['--host', '--no-keep-latest-good', '--grace', '2 h'], 2, '--no-keep-latest-good, --grace and --host'],
    [['--host', '--max-size', '5GB'], 2, 'unknown unit'],
    [['hello'], 2, 'too many arguments'],
  ])('%j', async (args, code, said) => {
    const { slipway, store, records } = await shell();
    await putResult(store, { name: 'old', startedAt: daysAgo(400) });
    const { stdout, stderr, exitCode } = await slipway(...args);
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/^To do: /m);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(stdout).toBe('');
    expect(exitCode).toBe(code);
    expect(await records()).toHaveLength(1);
  });

  test.each([
    ['retention: {olderThan: 90}', 'retention.olderThan: must be a duration with its unit'],
    ['retention: {olderThan: 3 weeks}', 'retention.olderThan: "3 weeks" is not a duration'],
    ['retention: {keep: 0}', 'retention.keep'],
    ['retention: {keepLast: 3}', 'retention.keepLast: unknown field; valid here: olderThan, keep'],
    ['retention: {cache: {size: 50GB}}', 'retention.cache.size: "50GB" has the unknown unit'],
  ])('configuration %s', async (configuration, said) => {
    const { stderr, exitCode } = await (await shell(configuration)).slipway();
    expect(stderr).toContain(said);
    expect(exitCode).toBe(2);
  });
});

test('rules of the configuration hold, and options go over them', async () => {
  const { slipway, store, age } = await shell('retention: {olderThan: 30 d, keep: 2}');
  for (const days of [10, 40, 50, 60]) await putResult(store, { name: 'tool', startedAt: daysAgo(days) });
  await age(9);
  const gone = async (...args: string[]) => {
    const { stdout, stderr, exitCode } = await slipway('--without-temporal', '--dry-run', '--json', ...args);
    expect(stderr).toContain('what open builds use is not spared');
    expect(exitCode).toBe(0);
    return JSON.parse(stdout).results.length;
  };
  expect(await gone()).toBe(2);
  expect(await gone('--keep', '1')).toBe(3);
  expect(await gone('--older-than', '55 d')).toBe(1);
  expect(await gone('--older-than', '5 d', '--keep', '1', '--no-keep-latest-good')).toBe(3);
}, 60_000);

test('--host cleans the caches of this host, without Temporal where no build runs there', async () => {
  const { slipway, home } = await shell('retention: {cache: {olderThan: 30 d}}');
  const digest = 'ab'.repeat(32);
  const folder = join(home, 'cache/inputs/sha256/ab');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, digest), 'an input');
  const nothing = await slipway('--host');
  expect(nothing.stdout).toContain('deleted: 0 B; kept: 1 entry (8 B)');
  const tooMuch = await slipway('--host', '--max-size', '0.004 KiB');
  expect(tooMuch.stdout).toContain('! more than 4 B: what was used within the last hour stays');
  await utimes(join(folder, digest), daysAgo(31), daysAgo(31));
  const dry = await slipway('--host', '--dry-run');
  expect(dry.stdout).toContain('- 1 downloads (8 B)\nwould go: 8 B; would stay: 0 entries (0 B)');
  const { stdout, exitCode } = await slipway('--host', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ removed: [{ kind: 'input', digest }], left: [] });
  expect(exitCode).toBe(0);
}, 60_000);
