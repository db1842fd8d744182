import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startTemporalServer } from '../../workers/temporal-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MAIN = resolve(import.meta.dirname, '..', '..', 'client', 'main.ts');
const PATIENCE = { timeout: 40_000, interval: 50 };

it('an outage of Temporal and its end are said; a cancel then says that it cannot, and a detach is at once', async () => {
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
  await build.said(`it could not be cancelled: Temporal at ${first.address} does not answer`);
  const before = performance.now();
  build.child.kill('SIGINT');
  expect(await once(build.child, 'exit')).toEqual([130, null]);
  expect(performance.now() - before).toBeLessThan(2000);
});
