import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

/** A shell whose builds make a package with such a content, and the paper that goes with it. */
async function shellWith(
  content: () => string,
  more: TestHostOptions['scenario'] = {},
): Promise<Shell & { resolved: () => number }> {
  let resolved = 0;
  let built = 0;
  const shell = await openShell({
    environment,
    workflowBundle,
    resolverOf: (store) => {
      const resolver = fakeResolver(store);
      return {
        resolve: (...args) => {
          resolved++;
          return resolver.resolve(...args);
        },
      };
    },
    scenario: (spec) => ({
      ...(spec.phase === 'build'
        ? {
            files: {
              'tool_1_amd64.deb': { content: content() },
              'tool_1_amd64.buildinfo': { content: `Format: 1.0\nBuild-Date: day ${++built}\n` },
            },
          }
        : {}),
      ...(typeof more === 'function' ? more(spec) : more),
    }),
  });
  return { ...shell, resolved: () => resolved };
}

describe('slipway rebuild', () => {
  it('builds from the same lock, says that the same came out, and writes it only where it is to', async () => {
    const { folder, slipway, resolved } = await shellWith(() => 'a package');
    const built = JSON.parse((await slipway('build', 'same', '--json', '--output', 'out', ...SMALL)).stdout);

    const compared = await slipway('rebuild', 'same', '--compare');
    expect(compared.stdout).toMatch(/^rebuild of same\/\w{8}, run \w{8}, from its lock$/m);
    expect(compared.stdout).toMatch(/^✓ build/m);
    expect(compared.stdout).toMatch(/^ {2}identical {2}tool_1_amd64.deb$/m);
    expect(compared.stdout).toMatch(/^ {2}same {7}tool_1_amd64.buildinfo: differs only in Build-Date$/m);
    expect(compared.stdout).toMatch(
      /^reproducible: 1 package bit-identical; tool_1_amd64.buildinfo differs only in Build-Date\n$/m,
    );
    expect(compared.exitCode).toBe(0);
    expect(await readdir(folder)).toEqual(['out']);

    const again = await slipway('rebuild', built.id, '--json');
    const rebuilt = JSON.parse(again.stdout);
    expect(rebuilt).toMatchObject({ rebuildOf: { id: built.id, run: built.run }, state: 'succeeded' });
    expect(rebuilt.result.request).toEqual({ ...built.result.request, lock: built.result.lock });
    expect(rebuilt.result.lock).toBe(built.result.lock);
    expect(rebuilt.id).not.toBe(built.id);
    expect((await readdir(folder)).sort()).toEqual(['out', 'same_1.0-1']);
    expect(again.exitCode).toBe(0);
    expect(resolved()).toBe(1);

    const compare = await slipway('compare', 'same', built.id, '--json');
    expect(JSON.parse(compare.stdout)).toMatchObject({ reproducible: true, second: { run: built.run } });
    expect(compare.exitCode).toBe(0);
  });

  it('ends with 5 where something else came out, and shows how it differs', async () => {
    const { folder, slipway } = await shellWith(() => `made at ${randomBytes(8).toString('hex')}\n`);
    const built = JSON.parse((await slipway('build', 'odd', '--json', '--output', 'out', ...SMALL)).stdout);
    const options = ['--diffoscope', 'never'];
    const rebuilt = await slipway('rebuild', 'odd', '--compare', '--json', '--output', 'again', ...options);
    const { comparison, files } = JSON.parse(rebuilt.stdout);
    expect(comparison).toMatchObject({
      reproducible: false,
      verdict: 'not reproducible: of 2 artifacts 1 differs',
      first: { build: built.id, run: built.run },
      artifacts: [
        { path: 'tool_1_amd64.buildinfo', verdict: 'expected', why: 'only in Build-Date' },
        { path: 'tool_1_amd64.deb', verdict: 'differs', diff: { by: 'slipway' } },
      ],
    });
    expect(comparison.artifacts[1].diff.text).toMatch(/^-made at \w{16}\n\+made at \w{16}$/m);
    expect(files).toHaveLength(3);
    expect((await readdir(join(folder, 'again'))).sort()).toContain('tool_1_amd64.deb');
    expect(rebuilt.stderr).toContain('not reproducible: of 2 artifacts 1 differs');
    expect(rebuilt.exitCode).toBe(5);

    const compared = await slipway('compare', 'odd', ...options);
    expect(compared.stdout).toMatch(/^diff of tool_1_amd64.deb, by slipway:\n[\s\S]*^ {2}-made at/m);
    expect(compared.stdout).toMatch(/^not reproducible: of 2 artifacts 1 differs\n$/m);
    expect(compared.exitCode).toBe(5);
  });

  it('refuses what cannot be compared before it builds, and builds again what failed', async () => {
    let fails = true;
    const { slipway, store } = await shellWith(
      () => 'a package',
      ({ phase }) => (phase === 'build' && fails ? { behaviour: 'failing-command', exitCode: 2 } : {}),
    );
    const built = JSON.parse((await slipway('build', 'breaks', '--json', ...SMALL)).stdout);
    const refused = await slipway('rebuild', 'breaks', '--compare');
    expect(refused.stderr).toMatch(/breaks\/\w+ failed \(BuildFailed\): there is nothing to compare/);
    expect(refused.exitCode).toBe(2);

    const failed = await slipway('rebuild', 'breaks');
    expect(failed.stdout).toContain('error: BuildFailed in phase build');
    expect(failed.exitCode).toBe(1);
    fails = false;
    const started = JSON.parse((await slipway('rebuild', 'breaks', '--detach', '--json')).stdout);
    await environment.client.workflow.getHandle(started.id, started.run).result();
    expect((await slipway('status', started.id)).stdout).toMatch(/^succeeded /);

    await store.deleteBlob(built.result.lock, new Date(8.64e15));
    const gone = await slipway('rebuild', started.id);
    expect(gone.stderr).toMatch(/The lock of build\/breaks\/\w+ is gone/);
    expect(gone.stderr).toContain('To do: Nobody knows what went into it');
    expect(gone.exitCode).toBe(2);
  });
});
