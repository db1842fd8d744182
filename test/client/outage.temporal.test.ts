import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startTemporalServer } from '../../workers/temporal-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MAIN = resolve(import.meta.dirname, '..', '..', 'client', 'main.ts');
const PATIENCE = { timeout: 40_000, interval: 50 };

it('an outage of Temporal and its end are said; a cancel is sent again until it is heard, and a detach is at once', async () => {
  const state = await temporaryFolder();
  const first = await startTemporalServer(state);
  onTestFinished(() => first.stop());
  const env = { ...process.env, SLIPWAY_HOME: await temporaryFolder(), TEMPORAL_ADDRESS: first.address };
  const cwd = await temporaryFolder();
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, [MAIN, ...args], { cwd, env });
    onTestFinished(() => void child.kill('SIGKILL'));
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes) => {
        text += bytes;
      });
    }
    return { child, said: (what: string | RegExp) => vi.waitFor(() => expect(text).toMatch(what), PATIENCE) };
  };
  const build = start('build', 'tool');
  await build.said('no worker answers');
  const logs = start('logs', '-f', 'tool');
  await new Promise((settle) => setTimeout(settle, 4000));

  await first.stop();
  const away = new RegExp(`Temporal at ${first.address} does not answer since [0-9.]+ s; the build goes on`);
  await Promise.all([build.said(away), logs.said(away)]);
  const second = await startTemporalServer(state);
  onTestFinished(() => second.stop());
  const back = `Temporal at ${first.address} answers again`;
  await Promise.all([build.said(back), logs.said(back)]);

  await second.stop();
  build.child.kill('SIGINT');
  await build.said(
    `it could not be cancelled yet: Temporal at ${first.address} does not answer; it will be cancelled as soon as Temporal answers (Ctrl-C again to detach)`,
  );
  const third = await startTemporalServer(state);
  onTestFinished(() => third.stop());
  await build.said('Temporal has been told to cancel the build');
  expect(await historyOf(third.address)).toContain('workflowExecutionCancelRequestedEventAttributes');
  expect(build.child.exitCode).toBeNull();

  await third.stop();
  const before = performance.now();
  build.child.kill('SIGINT');
  expect(await once(build.child, 'exit')).toEqual([130, null]);
  expect(performance.now() - before).toBeLessThan(2000);
});

/** What has happened in the only workflow there is: the names of the fields of its events. */
async function historyOf(address: string): Promise<string[]> {
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  const client = new Client({ connection });
  for await (const { workflowId } of client.workflow.list()) {
    const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
    return (events ?? []).flatMap((event) => Object.keys(event));
  }
  return [];
}
