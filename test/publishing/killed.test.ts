import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { chooseResults } from '../../publishing/choose-results.ts';
import { deleteGnupgHome } from '../../publishing/gnupg-home.ts';
import { publishing } from './fixtures/publishing.ts';

const CHILD = resolve(import.meta.dirname, 'fixtures', 'publish-child.ts');

test('killed at any moment, apt reads the state before or after, and the next publish goes on', async () => {
  const { folder, store, into, key, publish, built, system } = await publishing();
  await publish([await built({ package: 'first' })]);
  const { update, apt } = await system();
  onTestFinished(async () => {
    const homes = (await readdir(folder)).filter((name) => name.startsWith('slipway-gpg-'));
    for (const name of homes) await deleteGnupgHome(join(folder, name));
  });
  let kills = 0;
  for (let number = 1; number <= 8; number++) {
    const name = `pkg${number}`;
    await built({ package: name });
    const child = spawn(process.execPath, [CHILD, store.location, into, key, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // So that what it has started, gpg above all, is killed with it.
      detached: true,
      env: { ...process.env, TMPDIR: folder },
    });
    await once(child.stdout, 'data');
    await sleep(40 * number);
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    if (child.signalCode !== null) kills += 1;
    await update();
    await apt.run(['apt-cache', 'show', 'first']);
  }
  expect(kills).toBeGreaterThan(2);
  const all = Array.from({ length: 8 }, (_, at) => `pkg${at + 1}`);
  await publish(await chooseResults(store, all));
  await update();
  await apt.run(['apt-cache', 'show', ...all, 'first']);
  expect((await readdir(join(into, 'pool/main/p'))).sort()).toEqual(all);
  expect((await readdir(join(into, '.slipway'))).sort()).toEqual(['dists', 'lock', 'repository.json']);
}, 120_000);
