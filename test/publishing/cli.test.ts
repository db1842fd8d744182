import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { publishing } from './fixtures/publishing.ts';

const SLIPWAY = resolve(import.meta.dirname, '..', '..', 'client', 'slipway');

/** The command line with a store, and no Temporal anywhere: publish needs none. */
async function shell(store: string) {
  const home = await temporaryFolder();
  await writeFile(join(home, 'slipway.yaml'), `store: {directory: ${JSON.stringify(store)}}\n`);
  const env = { SLIPWAY_HOME: home, TEMPORAL_ADDRESS: '127.0.0.1:1', HOME: home };
  return (...args: string[]) =>
    run([SLIPWAY, 'publish', ...args], { accept: [1, 2, 3], cwd: home, env, timeout: 60_000 });
}

test('publishes, says what it did, and prints it as JSON', async () => {
  const { into, store, built, key, system } = await publishing();
  const result = await built({ package: 'hello' });
  const slipway = await shell(store.location);
  const { stdout, exitCode } = await slipway('hello', '--into', into, '--key', key, '--origin', 'Me & Co');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('+ hello 1.0 amd64\n1 added, 0 there before, 0 removed\n');
  expect(stdout).toMatch(/signed by [0-9A-F]{40}; public key: .*keyring\.gpg\n/);
  const { update, install } = await system();
  await update();
  await install('hello');
  await built({ package: 'other' });
  const again = await slipway('--all-latest', '--into', into, '--key', key, '--json');
  expect(JSON.parse(again.stdout)).toMatchObject({
    suites: ['stable'],
    added: [{ package: 'other' }],
    unchanged: [{ package: 'hello' }],
  });
  const refreshed = await slipway('--refresh', '--into', into, '--key', key, '--valid-for', '2 d');
  expect(refreshed.stdout).toContain('0 added');
  expect(result.outcome).toBe('succeeded');
});

test('each option of the Release file gets there, also when all is written anew', async () => {
  const { into, store, built, key } = await publishing();
  await built({ package: 'hello' });
  const slipway = await shell(store.location);
  const validFor = async () => {
    const release = await readFile(join(into, 'dists/stable/Release'), 'utf8');
    const [date, until] = ['Date', 'Valid-Until'].map((field) =>
      Date.parse(new RegExp(`^${field}: (.*)$`, 'm').exec(release)?.[1] ?? ''),
    );
    return { release, hours: ((until ?? 0) - (date ?? 0)) / 3_600_000 };
  };
  const words = ['--suite', 'stable', '--component', 'extra', '--architecture', 'arm64', '--label', 'Ours'];
  await slipway('hello', '--into', into, '--key', key, ...words, '--valid-for', '7 d');
  const first = await validFor();
  expect(first.hours).toBe(7 * 24);
  expect(first.release).toMatch(/^Label: Ours$/m);
  expect(first.release).toMatch(/^Components: extra$/m);
  expect(first.release).toMatch(/^Architectures: amd64 arm64$/m);
  await slipway('--refresh', '--into', into, '--key', key, '--valid-for', '2 d', '--origin', 'Me');
  const second = await validFor();
  expect(second.hours).toBe(2 * 24);
  expect(second.release).toMatch(/^Origin: Me$/m);
});

test('says what is too old to keep, and what another component has', async () => {
  const { into, store, built, key } = await publishing();
  const old = await built({ package: 'hello' });
  await built({ package: 'hello', version: '2' });
  await built({ package: 'other' });
  const slipway = await shell(store.location);
  const to = ['--into', into, '--key', key];
  await slipway('hello', ...to, '--component', 'contrib');
  const there = await slipway('hello', 'other', ...to);
  expect(there.stdout).toContain('= hello 2 amd64 (stays in the component contrib)\n');
  const part = await slipway(old.build, 'other', ...to, '--component', 'contrib', '--keep', '1');
  expect(part.stdout).toContain(
    [
      '= other 1.0 amd64 (stays in the component main)',
      '! not published: hello 1.0 amd64: older than what --keep leaves',
      '0 added, 1 there before, 0 removed, 1 too old',
    ].join('\n'),
  );
  const none = await slipway(old.build, ...to, '--component', 'contrib', '--keep', '1');
  expect(none).toMatchObject({ exitCode: 2, stdout: '' });
  expect(none.stderr).toContain('hello_1.0_amd64: the newest are 2');
});

describe('wrong usage ends with 2 and says what to do:', () => {
  test.each<[string[], string]>([
    [['hello', '--key', 'x'], "required option '--into <folder>'"],
    [['--into', 'repo', '--unsigned'], 'It is not said what to publish'],
    [['hello', '--all-latest', '--into', 'repo', '--unsigned'], 'do not go together'],
    [['--refresh', '--all-latest', '--into', 'repo', '--unsigned'], 'do not go together'],
    [['--refresh', '--into', 'repo', '--unsigned', '--keep', '1'], '--refresh and --keep do not go together'],
    [['--refresh', '--into', 'repo', '--unsigned', '--component', 'x'], '--refresh and --component do not'],
    [['--refresh', '--into', 'repo', '--unsigned'], 'has no suite yet'],
    [['hello', '--into', 'repo'], 'It is not said which key signs'],
    [['hello', '--into', 'repo', '--unsigned', '--key', 'x'], '--key and --unsigned do not go together'],
    [['hello', '--into', 'repo', '--unsigned', '--keep', '0'], 'It must be 1 or more'],
    [['hello', '--into', 'repo', '--unsigned', '--valid-for', '7'], 'is not a duration'],
    [['hello', '--into', 'repo', '--unsigned'], 'hello: no build with a result'],
    [['--all-latest', '--into', 'repo', '--unsigned'], 'has no result of a build that succeeded'],
  ])('%j', async (args, said) => {
    const store = await temporaryFolder();
    const { stdout, stderr, exitCode } = await (await shell(store))(...args);
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/^To do: /m);
    expect(stdout).toBe('');
    expect(exitCode).toBe(2);
  });
});
