import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { CHECKOUT, fakeMachine } from './fake-machine.ts';

const SDK = 'fetching the Temporal server with the SDK';
const GO = 'building the Temporal server with Go';
const FETCHED = /^timeout -k 1 15 .*\/?node scripts\/download-temporal\.ts \S+\/\.slipway\/bin$/m;
const BUILT = 'go install github.com/temporalio/cli/cmd/temporal@v1.5.1';

test('on a checkout that is set up it takes less than a second (3 s where the machine is busy) and says nothing', async () => {
  // Were it not set up, this must not install anything.
  const guard = await temporaryFolder();
  for (const name of ['apt-get', 'npm', 'go', 'sudo'])
    await writeFile(join(guard, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const { PATH = '', TEMPORAL_ADDRESS = '' } = process.env;
  const env = { PATH: `${guard}:${PATH}`, TEMPORAL_ADDRESS };
  const started = performance.now();
  const { stdout, stderr } = await run([join(CHECKOUT, 'scripts', 'setup')], { env });
  expect(performance.now() - started).toBeLessThan(3000);
  expect(stdout + stderr).toBe('');
});

describe('on a machine with nothing', () => {
  it('says what it installs, installs what is missing, and has nothing to do the second time', async () => {
    const { setup } = await fakeMachine();
    const first = await setup();
    expect(first.exitCode).toBe(0);
    expect(first.said.split('\n')).toEqual([
      expect.stringMatching(/^setup: installing Debian packages: qemu-system-x86 busybox-static e2fsprogs /),
      'setup: installing Node modules (npm ci)',
      expect.stringContaining(SDK),
      '',
    ]);
    expect(first.said).not.toContain('gpgv');
    expect(first.calls.map((call) => call.split(' ')[0])).toEqual([
      ...['apt-get', 'apt-get', 'npm', 'node', 'timeout', 'node'],
    ]);
    expect(first.calls[1]).toMatch(/^apt-get .*--no-install-recommends install qemu-system-x86 /);
    const second = await setup();
    expect(second).toMatchObject({ said: '', exitCode: 0, calls: [] });
  });

  it('sets up once where two begin at the same time', async () => {
    const { setup } = await fakeMachine();
    const both = await Promise.all([setup(), setup()]);
    expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(
      both
        .map(({ said }) => said)
        .join('')
        .match(/npm ci/g),
    ).toHaveLength(1);
  });
});

describe('Debian packages', () => {
  it('that are missing are the only ones it names and installs', async () => {
    const { setup, program } = await fakeMachine();
    await program(
      'dpkg-query',
      'for word; do case $word in zstd|kmod) ;; *) echo "$word installed";; esac; done',
    );
    const { said, calls } = await setup();
    expect(said).toMatch(/^setup: installing Debian packages: kmod zstd$/m);
    expect(calls).toContainEqual(expect.stringMatching(/ install kmod zstd$/));
  });

  it('are more for the benchmark beside peers, and only for that', async () => {
    const { setup } = await fakeMachine();
    const { said, calls } = await setup({ SLIPWAY_SETUP: 'bench' });
    expect(said).toMatch(/^setup: installing Debian packages: qemu-system-x86 .* sbuild mmdebstrap uidmap$/m);
    expect(calls).toContainEqual(expect.stringMatching(/ install qemu.* sbuild mmdebstrap uidmap$/));
    expect(await setup({ SLIPWAY_SETUP: 'bench' })).toMatchObject({ said: '', calls: [] });
    const other = await fakeMachine();
    expect((await other.setup()).said).not.toContain('sbuild');
  });

  it('are tried twice, then it fails with what apt said', async () => {
    const { setup, program } = await fakeMachine();
    await program('apt-get', 'echo "E: no such mirror" >&2; exit 100');
    const { said, exitCode, calls } = await setup();
    expect(exitCode).toBe(1);
    expect(said).toMatch(
      /E: no such mirror\n[\s\S]*setup: These Debian packages could not be installed: qemu/,
    );
    expect(said).toContain('check the apt sources');
    expect(calls.filter((call) => call.includes(' install '))).toHaveLength(2);
    expect(calls).not.toContainEqual(expect.stringMatching(/^npm/));
  });

  it.each([
    ['are installed with sudo where it is not root', 'exec "$@"', 0, /^setup: installing Debian packages/],
    [
      'need root or sudo, and it says so',
      undefined,
      1,
      /neither root nor is there sudo\.\n +Run as root: apt-get install qemu/,
    ],
  ])('%s', async (_, sudo, code, expected) => {
    const { setup, program } = await fakeMachine();
    await program('id', 'echo 1000');
    await program('sudo', sudo);
    const { said, exitCode, calls } = await setup();
    expect(said).toMatch(expected);
    expect(exitCode).toBe(code);
    expect(calls[0] ?? '').toMatch(sudo === undefined ? /^$/ : /^sudo apt-get/);
  });

  it('are what a Debian system has: on another it says so', async () => {
    const { setup, program } = await fakeMachine();
    await program('dpkg-query', undefined);
    expect(await setup()).toMatchObject({
      exitCode: 1,
      said: expect.stringContaining('not a Debian system'),
    });
  });
});

it.each([
  ['npm is missing', undefined, 'Install it: apt-get install npm'],
  ['npm ci fails', 'echo "npm error 1" >&2; exit 1', 'npm error 1\nsetup: npm ci failed.'],
])('where %s it ends with 1, says so, and tries again the next time', async (_, npm, expected) => {
  const { setup, program } = await fakeMachine();
  await program('npm', npm);
  for (const _time of [1, 2]) {
    const { said, exitCode } = await setup();
    expect(said).toContain(expected);
    expect(exitCode).toBe(1);
  }
});

describe('the Temporal server: the first that works', () => {
  const CACHE = '.slipway/bin/temporal';

  it('is that of TEMPORAL_ADDRESS', async () => {
    const { setup } = await fakeMachine();
    const { calls } = await setup({ TEMPORAL_ADDRESS: 'server.example:7233' });
    expect(calls.at(-1)).toMatch(/^npm ci/);
  });

  it.each([
    ['of TEMPORAL_ADDRESS', { TEMPORAL_ADDRESS: 'server.example:7233' }, 'exit 1'],
    ["of Temporal's own configuration", {}, '[ "$1" = --input-type=module ]'],
  ])('is for the tests also one to start where there is that %s', async (_, env, node) => {
    const { setup, program } = await fakeMachine();
    await program('node', node);
    const { said, calls } = await setup({ ...env, SLIPWAY_SETUP: 'test' });
    expect(said).toContain(SDK);
    expect(calls).toContain(BUILT);
  });

  it('is one on PATH that runs, before the cache', async () => {
    const { setup, program, executable } = await fakeMachine();
    await program('temporal', 'exit 0');
    await executable(CACHE, 'echo cache >>"$ROOT/calls"');
    expect((await setup()).calls.slice(-2)).toEqual([expect.stringMatching(/^npm ci/), 'temporal --version']);
  });

  it('is one in the cache where that on PATH does not run', async () => {
    const { setup, program, executable } = await fakeMachine();
    await program('temporal', 'exit 1');
    await executable(CACHE, 'echo cache >>"$ROOT/calls"');
    const { said, calls } = await setup();
    expect(calls.slice(-3)).toEqual(['temporal --version', 'temporal --version', 'cache']);
    expect(said).not.toContain(SDK);
  });

  it("is that of Temporal's own configuration", async () => {
    const { setup, program } = await fakeMachine();
    // Node, asked whether an address is configured.
    await program('node', 'exit 0');
    const { said, exitCode } = await setup();
    expect(said).not.toContain(SDK);
    expect(exitCode).toBe(0);
  });

  it("is the SDK's own download, given up after 15 s, also in the place of a cached one that does not run", async () => {
    const { setup, executable } = await fakeMachine();
    await executable(CACHE, 'exit 1');
    const { said, calls, exitCode } = await setup();
    expect(said).toContain(SDK);
    expect(calls.join('\n')).toMatch(FETCHED);
    expect(calls.join('\n')).not.toContain('go install');
    expect(exitCode).toBe(0);
  });

  it('is built with Go 1.25 or newer where that is not possible', async () => {
    const { setup, program } = await fakeMachine();
    await program('node', 'exit 1');
    const { said, calls, exitCode } = await setup();
    expect(said.indexOf(SDK)).toBeLessThan(said.indexOf('that download is not possible here'));
    expect(said).toContain(GO);
    expect(calls).toContain(BUILT);
    expect(exitCode).toBe(0);
    expect(await setup()).toMatchObject({ said: '', calls: [] });
  });

  it.each([
    ['Go is too old', 'echo go1.24.9', 'Go 1.24.9 is too old'],
    ['there is no Go', undefined, SDK],
    ['Go fails', '[ "$1" = env ] && echo go1.26rc1', GO],
  ])('is none where %s: it ends with 1 and names all ways', async (_, go, expected) => {
    const { setup, program } = await fakeMachine();
    await program('node', 'exit 1');
    await program('go', go);
    const { said, exitCode } = await setup();
    expect(said).toContain(expected);
    expect(said).toMatch(/No Temporal server could be brought\.\n.*TEMPORAL_ADDRESS.*PATH,\n.*SDK.*Go 1\.25/);
    expect(exitCode).toBe(1);
  });
});

describe('the S3 server of the tests', () => {
  const S3 = 'go install github.com/versity/versitygw/cmd/versitygw@v1.8.0';

  it('is built with Go for the tests alone, once', async () => {
    const { setup } = await fakeMachine();
    expect((await setup()).calls).not.toContain(S3);
    const { said, calls, exitCode } = await setup({ SLIPWAY_SETUP: 'test' });
    expect(said).toMatch(
      /building the S3 server of the tests with Go .*\nsetup: versitygw built in \d+ s\n$/,
    );
    expect(calls).toContain(S3);
    expect(exitCode).toBe(0);
    expect(await setup({ SLIPWAY_SETUP: 'test' })).toMatchObject({ said: '', calls: [] });
  });

  it('is one on PATH that runs', async () => {
    const { setup, program } = await fakeMachine();
    await program('versitygw', 'exit 0');
    expect((await setup({ SLIPWAY_SETUP: 'test' })).calls).not.toContain(S3);
  });

  it.each([
    ['Go is too old', 'echo go1.24.9'],
    ['there is no Go', undefined],
    ['Go fails', '[ "$1" = env ] && echo go1.26rc1'],
  ])('is missing where %s, and it says what helps', async (_, go) => {
    const { setup, program } = await fakeMachine();
    await program('go', go);
    const { said, exitCode } = await setup({ SLIPWAY_SETUP: 'test' });
    expect(said).toMatch(
      /No S3 server for the tests could be brought\.\n.*versitygw command on PATH, or Go 1\.25/,
    );
    expect(exitCode).toBe(1);
  });
});
