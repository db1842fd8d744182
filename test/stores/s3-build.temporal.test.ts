import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createSlipwayClient } from '../../client/client.ts';
import { run } from '../../host/run.ts';
import { createS3Store } from '../../stores/s3.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { createTestHost, requestFor, type TestHostOptions } from '../support/build-host.ts';
import { startBuild, statusWhere } from '../support/builds.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { startTemporal } from '../support/temporal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MAIN = resolve(import.meta.dirname, '..', '..', 'client', 'main.ts');
const SMALL = ['--memory', '256 MiB', '--disk', '32 MiB', '--swap', '16 MiB', '--cpus', '1'];
/** More than goes in one part. */
const BIG = { bytes: 9 * 1024 * 1024 };
/** Twice that is more than goes into one cell of a live log. */
const LOG = `${'a line of the log\n'.repeat(5000)}the end\n`;

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;
let server: S3Server;

beforeAll(async () => {
  [environment, workflowBundle, server] = await Promise.all([
    startTemporal(),
    bundleWorkflows(),
    startS3Server(),
  ]);
});
afterAll(async () => {
  await environment?.teardown();
  await server?.[Symbol.asyncDispose]();
});
afterEach(() => server.start());

async function hostWith(scenario: TestHostOptions['scenario']) {
  const place = server.place();
  const store = createS3Store(place, { credentials: CREDENTIALS, attempts: 2 });
  const host = await createTestHost({ defer: onTestFinished, environment, workflowBundle, store, scenario });
  await host.start();
  return { place, store, host };
}

describe('a build whose store is a bucket', () => {
  test('from the command line, which opens it by the configuration and AWS settings', async () => {
    const { place } = await hostWith(({ phase }) =>
      phase === 'build'
        ? {
            log: LOG,
            files: { 'tool_1_amd64.deb': { content: BIG }, 'tool_1.changes': { content: 'small' } },
          }
        : { log: LOG },
    );
    const home = await temporaryFolder();
    const folder = await temporaryFolder();
    await writeFile(join(home, 'slipway.yaml'), `store: {s3: ${JSON.stringify(place)}}\n`);
    const env = {
      SLIPWAY_HOME: home,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    };
    const slipway = (args: string[], more: Record<string, string> = {}) =>
      run([process.execPath, MAIN, ...args], {
        accept: [1, 2, 3],
        cwd: folder,
        env: { ...env, TEMPORAL_ADDRESS: environment.address, ...more },
        timeout: 90_000,
      });
    const built = await slipway(['build', 'tool', ...SMALL]);
    expect(built.stdout).toMatch(/tool 1\.0-1: succeeded after /);
    expect(built.stdout).toContain(LOG);
    expect(built.exitCode).toBe(0);
    expect((await readdir(join(folder, 'tool_1.0-1'))).sort()).toEqual([
      'tool_1.0-1.log',
      'tool_1.changes',
      'tool_1_amd64.deb',
    ]);
    expect(await readFile(join(folder, 'tool_1.0-1', 'tool_1_amd64.deb'), 'utf8')).toBe(
      'slipway\n'.repeat(BIG.bytes / 8),
    );

    // And when Temporal has forgotten it.
    const alone = { TEMPORAL_ADDRESS: '127.0.0.1:9' };
    const status = await slipway(['status', 'tool'], alone);
    expect(status.stdout).toMatch(/^succeeded .*build\/tool\/[\s\S]*^results {2}2, log 180016 bytes$/m);
    expect(status.stderr).toContain(`only what s3://${place.bucket}/${place.prefix} knows`);
    expect((await slipway(['logs', 'tool'], alone)).stdout).toBe(`${LOG}${LOG}`);
    const wrong = await slipway(['status', 'tool'], { ...alone, AWS_SECRET_ACCESS_KEY: 'wrong' });
    expect(wrong.exitCode).toBe(3);
    expect(wrong.stderr).toMatch(/refuses our credentials[\s\S]*AWS_SECRET_ACCESS_KEY/);
    expect(`${wrong.stdout}${wrong.stderr}`).not.toContain(CREDENTIALS.secretAccessKey);
  });

  test('waits for a store that is away in the middle of it, and loses nothing', {
    timeout: 200_000,
  }, async () => {
    const { store, host } = await hostWith(({ phase }) => ({
      log: `the log of ${phase}\n`,
      milliseconds: 4000,
      ...(phase === 'build' ? { files: { 'a_1.deb': { content: 'a package' } } } : {}),
    }));
    const handle = await startBuild(environment.client, requestFor('outage'), onTestFinished);
    await statusWhere(handle, ({ phase }) => phase === 'build');
    await server.stop();
    await new Promise((settle) => setTimeout(settle, 12_000));
    await server.start();
    const result = await handle.result();
    expect(result).toMatchObject({ outcome: 'succeeded' });
    const later = createSlipwayClient({ store });
    // A second round would have written a second time.
    const parts: Uint8Array[] = [];
    for await (const bytes of later.log(result.build)) parts.push(bytes);
    expect(Buffer.concat(parts).toString()).toBe('the log of install\nthe log of build\n');
    expect(await host.leftOvers()).toEqual({ leases: [], scratch: [] });
  });
});
