import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../host/run.ts';
import { slipwayAsNobody } from '../support/nobody.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SLIPWAY = resolve(import.meta.dirname, '..', '..', 'client', 'slipway');
const ANY = Array.from({ length: 255 }, (_, code) => code);

let home: string;
beforeEach(async () => {
  home = await temporaryFolder();
});

/** Runs the command line with nothing but its own home, and a Temporal address where nobody answers. */
async function slipway(...args: string[]) {
  return slipwayWith({ TEMPORAL_ADDRESS: `127.0.0.1:${await closedPort()}` }, ...args);
}

async function slipwayWith(variables: Record<string, string>, ...args: string[]) {
  const env = { SLIPWAY_HOME: home, ...variables };
  return run([SLIPWAY, ...args], { accept: ANY, cwd: home, env, timeout: 60_000 });
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((settle) => server.once('listening', settle));
  const address = server.address();
  await new Promise((settle) => server.close(settle));
  return typeof address === 'object' && address !== null ? address.port : 1;
}

describe('wrong usage ends with 2, says what is wrong and what to do, without a stack', () => {
  it.each<[string[], string]>([
    [['bild'], 'Did you mean build?'],
    [['build', 'hello', '--memory', '4GB'], 'write for instance 4 GiB'],
    [['build', 'Hello World'], 'recipe.source.name: must be a Debian source package name'],
    [['build', 'hello', '--output', '/'], 'is not empty'],
    [['status', 'hello', '--config', '/nonexistent.yaml'], 'cannot be read'],
    [['status', 'hello'], 'There is no build "hello"'],
    [['rebuild', 'hello', '--output', '/'], 'is not empty'],
    [['rebuild', 'hello', '--compare', '--detach'], '--compare and --detach do not go together'],
    [['rebuild', 'hello', '--compare', '--diff-lines', 'all'], 'It must be a whole number'],
    [['compare', 'hello', 'world'], 'There is no build "hello"'],
  ])('%j', async (args, said) => {
    const { exitCode, stdout, stderr } = await slipway(...args);
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/^To do: /m);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(stdout).toBe('');
    expect(exitCode).toBe(2);
  });

  it('names each wrong key of the configuration', async () => {
    await writeFile(join(home, 'slipway.yaml'), 'capacity: {buidls: 1}\nlimits: {memory: 4GB}\n');
    const { exitCode, stderr } = await slipway('status');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('capacity.buidls: unknown field; valid here: builds, memory');
    expect(stderr).toContain('limits.memory: "4GB" has the unknown unit "GB"');
  });
});

describe('no Temporal', () => {
  it.each([[['build', 'hello']], [['build', 'hello', '--local']]])(
    '%j ends with 3 and says how to start one',
    async (args) => {
      const { exitCode, stderr } = await slipway(...args);
      expect(stderr).toMatch(/No Temporal server answers at 127\.0\.0\.1:\d+/);
      expect(stderr).toContain('slipway dev');
      expect(exitCode).toBe(3);
    },
  );

  it('does not hinder a list of what the store knows', async () => {
    const { exitCode, stdout, stderr } = await slipway('status', '--json');
    expect(JSON.parse(stdout)).toEqual([]);
    expect(stderr).toContain('Shown is only what');
    expect(exitCode).toBe(0);
  });

  it.each(['server.db', 'server.json'])(
    'ends with 3 where the home has a %s of a server that is not running',
    async (record) => {
      const folder = join(home, 'state', 'temporal');
      await mkdir(folder, { recursive: true });
      await writeFile(
        join(folder, record),
        '{"address":"127.0.0.1:1","webUrl":"http://localhost:2","pid":0}',
      );
      const { exitCode, stderr } = await slipwayWith({}, 'build', 'hello');
      expect(stderr).toBe(
        `error: The Temporal server of this home (${folder}) is not running.\nTo do: start it again with slipway dev.\n`,
      );
      expect(exitCode).toBe(3);
      const status = await slipwayWith({}, 'status', '--json');
      expect(JSON.parse(status.stdout)).toEqual([]);
      expect(status.stderr.trim().split('\n')).toHaveLength(1);
      expect(status.stderr).toContain('is not running. Shown is only what');
      expect(status.exitCode).toBe(0);
      expect((await slipway('build', 'hello')).stderr).toContain('No Temporal server answers at 127.0.0.1:');
    },
  );
});

it('documents the exit codes in its help', async () => {
  const { exitCode, stdout } = await slipway('--help');
  expect(exitCode).toBe(0);
  for (const code of [0, 1, 2, 3, 4, 5, 130]) expect(stdout).toMatch(new RegExp(`^ {2}${code} +\\S`, 'm'));
});

it('tells a worker that is not root so, and what to do', async () => {
  const { exitCode, stderr } = await slipwayAsNobody(['worker']);
  expect(stderr).toContain('A worker must run as root; this is uid 65534');
  expect(stderr).toContain('sudo');
  expect(exitCode).toBe(3);
});
