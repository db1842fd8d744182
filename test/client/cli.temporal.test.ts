import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SlipwayFailure } from '../../schema/failures.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { fakeResolver, type TestHostOptions } from '../support/build-host.ts';
import { openShell, type Shell, SMALL } from '../support/shell.ts';
import { startTemporal } from '../support/temporal.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

/** A host that builds, and a person's shell in an empty folder. */
function shellWith(scenario: TestHostOptions['scenario'], resolverOf?: typeof fakeResolver): Promise<Shell> {
  return openShell({ environment, workflowBundle, scenario, ...(resolverOf && { resolverOf }) });
}

describe('slipway build', () => {
  it('shows phases and log, fetches all that comes out and ends with 0', async () => {
    const { folder, slipway } = await shellWith(({ phase }) => ({
      log: `the log of ${phase}\n`,
      ...(phase === 'build' ? { files: { 'tool_1_amd64.deb': { content: 'a package' } } } : {}),
    }));
    const { stdout, exitCode } = await slipway('build', 'tool', ...SMALL);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^expect a small package takes .* minutes/m);
    for (const phase of ['resolve', 'claim', 'install', 'build', 'upload']) {
      expect(stdout).toMatch(new RegExp(`^✓ ${phase} +[0-9.]+ s$`, 'm'));
    }
    expect(stdout).toMatch(/^the log of install\n[\s\S]*^the log of build$/m);
    expect(stdout).toContain('tool 1.0-1: succeeded after ');
    expect(stdout).toMatch(/tool_1\.0-1\/tool_1_amd64\.deb\n +9 B \(9 bytes\), SHA-256 [0-9a-f]{64}\n/);
    expect((await readdir(join(folder, 'tool_1.0-1'))).sort()).toEqual([
      'tool_1.0-1.log',
      'tool_1_amd64.deb',
    ]);
    expect(await readFile(join(folder, 'tool_1.0-1', 'tool_1_amd64.deb'), 'utf8')).toBe('a package');

    const again = await slipway('build', 'tool', ...SMALL);
    expect(again.stdout).toMatch(/^expect the last build of tool took [0-9.]+ s on VM type qemu$/m);
    expect(again.stdout).toContain('tool_1.0-1-2/tool_1_amd64.deb');
    expect(again.exitCode).toBe(0);
  });

  it('ends with 1 where the package fails, with the last lines and what to do', async () => {
    const { slipway } = await shellWith(({ phase }) =>
      phase === 'build' ? { behaviour: 'failing-command', exitCode: 2, log: 'E: broken\n' } : {},
    );
    const { stdout, exitCode } = await slipway('build', 'breaks', ...SMALL);
    expect(stdout).toMatch(
      /error: BuildFailed in phase build: .*\n.*last lines:\n {4}E: broken\nTo do: Read/,
    );
    expect(exitCode).toBe(1);
    const status = await slipway('status', 'breaks');
    expect(status.stdout).toContain('BuildFailed in phase build');
    expect(status.exitCode).toBe(0);
    const artifacts = await slipway('artifacts', 'breaks');
    expect(artifacts.stderr).toMatch(/^no artifacts: the build failed; see slipway logs breaks\//);
    expect(artifacts.stdout).toBe('');
  });

  it('prints one JSON document with --json, all else to standard error', async () => {
    const { slipway } = await shellWith({});
    const { stdout, stderr, exitCode } = await slipway(
      'build',
      'machine',
      '--json',
      '--output',
      'out',
      ...SMALL,
    );
    expect(exitCode).toBe(0);
    const printed = JSON.parse(stdout);
    expect(printed).toMatchObject({ joined: false, result: { outcome: 'succeeded' } });
    expect(printed.files.at(-1).file).toMatch(/machine_1\.0-1\.log$/);
    expect(stderr).toContain('✓ build');
  });

  it('says that the build succeeded, and how to get its results, where they cannot be written', async () => {
    const { folder, slipway } = await shellWith(({ phase }) => {
      // Somebody puts a file where the folder is to come, while the build is under way.
      if (phase === 'build') writeFileSync(join(folder, 'out'), 'in the way');
      return {};
    });
    const { stdout, stderr, exitCode } = await slipway(
      'build',
      'homeless',
      '--json',
      '--output',
      'out',
      ...SMALL,
    );
    const { id, state, result, files } = JSON.parse(stdout);
    expect({ state, files }).toEqual({ state: 'succeeded' });
    expect(result.outcome).toBe('succeeded');
    expect(stderr).toContain('error: The build succeeded, but its results could not be fetched: ');
    expect(stderr).toContain(`slipway artifacts ${id} --download <folder>`);
    expect(exitCode).toBe(3);
  });

  it('prints one JSON document also where there is no result, and ends with the code of the failure', async () => {
    const fails: typeof fakeResolver = (store) => ({
      ...fakeResolver(store),
      resolve: async () => {
        throw new SlipwayFailure('UnresolvableDependencies', 'no libodd-dev', { items: ['libodd-dev'] });
      },
    });
    const { slipway } = await shellWith({}, fails);
    const { stdout, exitCode } = await slipway('build', 'odd', '--json', ...SMALL);
    const { id, run: runId, state, failure } = JSON.parse(stdout);
    expect({ state, failure }).toMatchObject({
      state: 'failed',
      failure: { type: 'UnresolvableDependencies', items: ['libodd-dev'], phase: 'resolve' },
    });
    expect(exitCode).toBe(2);
    const status = await slipway('status', 'odd', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ id, run: runId, state, failure });
  });

  it('cancels at SIGINT where there is no terminal, waits for the clean-up and ends with 4', async () => {
    const { slipway, interrupted } = await interruptedBuild('interrupted', '--json');
    interrupted.kill();
    expect(await interrupted.ended).toEqual([4, null]);
    expect(interrupted.said()).toContain('cancelling; waiting until everything is cleaned up');
    expect(interrupted.said()).toContain('The build was cancelled.');
    expect(JSON.parse(interrupted.printed())).toMatchObject({ joined: false, state: 'cancelled' });
    expect((await slipway('status', 'interrupted')).stdout).toMatch(/^cancelled /);
  });

  it('detaches at the second SIGINT and ends with 130', async () => {
    const { interrupted } = await interruptedBuild('impatient');
    interrupted.kill();
    while (!interrupted.said().includes('cancelling')) await new Promise((settle) => setTimeout(settle, 5));
    interrupted.kill();
    expect(await interrupted.ended).toEqual([130, null]);
    expect(interrupted.said()).toContain('detached; the build goes on');
  });
});

/** A `slipway build` in a child process whose guest runs until it is stopped, in its install phase. */
async function interruptedBuild(name: string, ...options: string[]) {
  const shell = await shellWith({ behaviour: 'long', log: 'it runs\n' });
  const [program, ...args] = shell.argv('build', name, ...options, ...SMALL);
  const child = spawn(program, args, { cwd: shell.folder, env: { ...process.env, ...shell.env } });
  const ended = once(child, 'exit');
  let text = '';
  let printed = '';
  child.stdout.on('data', (bytes) => {
    printed += bytes;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      text += bytes;
    });
  }
  while (!text.includes('== install')) await new Promise((settle) => setTimeout(settle, 50));
  return {
    ...shell,
    interrupted: { ended, kill: () => child.kill('SIGINT'), said: () => text, printed: () => printed },
  };
}

describe('a build that was started with --detach', () => {
  it('is watched, cancelled and looked at by the abbreviations of its id', async () => {
    const { slipway } = await shellWith({ behaviour: 'long', log: 'it runs\n' });
    const started = await slipway('build', 'detached', '--detach', '--json', ...SMALL);
    expect(started.exitCode).toBe(0);
    const { id, run: runId } = JSON.parse(started.stdout);
    const report = async () => JSON.parse((await slipway('status', 'detached', '--json')).stdout);
    while ((await report()).status?.phase !== 'install')
      await new Promise((settle) => setTimeout(settle, 300));
    expect(await report()).toMatchObject({
      id,
      run: runId,
      state: 'running',
      status: { vm: 'qemu (emulated)' },
    });
    expect((await slipway('logs', id)).stdout).toMatch(/^it runs\n/);
    const joined = await slipway('build', 'detached', '--detach', ...SMALL);
    expect(joined.stdout).toContain(`joined the running build ${id}`);
    const abbreviation = `detached/${id.split('/')[2].slice(0, 8)}`;
    const cancelled = await slipway('cancel', abbreviation, '--json');
    expect(JSON.parse(cancelled.stdout)).toEqual({ id, run: runId, state: 'cancelled' });
    expect(cancelled.exitCode).toBe(0);
    expect((await slipway('cancel', 'detached')).stderr).toContain('has ended already: cancelled');
    const artifacts = await slipway('artifacts', 'detached');
    expect(artifacts.stderr).toContain('has no result: it is cancelled');
    expect(artifacts.exitCode).toBe(2);
  });
});

describe('slipway artifacts', () => {
  it('lists them, and fetches them verified without ever overwriting', async () => {
    const { folder, slipway } = await shellWith(({ phase }) =>
      phase === 'build' ? { files: { 'a.deb': { content: 'new' }, 'b.changes': { content: 'b' } } } : {},
    );
    await slipway('build', 'lists', '--json', '--output', 'out', ...SMALL);
    expect((await slipway('artifacts', 'lists')).stdout).toMatch(/^[0-9a-f]{64} {2}3 {2}a\.deb$/m);
    const unknown = await slipway('artifacts', 'lists', 'a.dbe');
    expect(unknown.stderr).toMatch(
      /no artifact of this name\.\n {2}a\.dbe\nTo do: It has: a\.deb, b\.changes/,
    );
    expect(unknown.exitCode).toBe(2);
    const only = await slipway('artifacts', 'lists', 'b.changes', '--download', 'there');
    expect(only.exitCode).toBe(0);
    expect(await readdir(join(folder, 'there'))).toEqual(['b.changes']);
    await writeFile(join(folder, 'there', 'a.deb'), 'old');
    const refused = await slipway('artifacts', 'lists', '--download', 'there');
    expect(refused.stderr).toContain('exists and is something else');
    expect(refused.exitCode).toBe(2);
    expect(await readFile(join(folder, 'there', 'a.deb'), 'utf8')).toBe('old');
  });
});
