import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runTimed } from '../../../bench/peers/lines.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const env = { PATH: '/usr/bin:/bin' };

it('lines of both streams are timed as they come, and kept', async () => {
  const cwd = await temporaryFolder();
  const log = join(cwd, 'log');
  const script = 'echo one; sleep 0.4; echo two >&2; sleep 0.4; printf three; exit 3';
  const { lines, seconds, exitCode } = await runTimed(['sh', '-c', script], {
    cwd,
    env,
    log,
    timeoutSeconds: 20,
  });
  expect(lines.map(({ text }) => text)).toEqual(['one', 'two', 'three']);
  const [one, two, three] = lines.map(({ at }) => at) as [number, number, number];
  expect(two - one).toBeGreaterThan(0.3);
  expect(three - two).toBeGreaterThan(0.3);
  expect(seconds).toBeGreaterThanOrEqual(0.8);
  expect(exitCode).toBe(3);
  expect(await readFile(log, 'utf8')).toMatch(/^\d\.\d{3} one\n\d\.\d{3} two\n\d\.\d{3} three\n$/);
});

it('a command that takes too long is killed with all that it started', async () => {
  const cwd = await temporaryFolder();
  const pid = join(cwd, 'pid');
  const script = `sleep 300 & echo $! > ${pid}; wait`;
  const of = { cwd, env, log: join(cwd, 'log'), timeoutSeconds: 1 };
  const { exitCode, seconds } = await runTimed(['sh', '-c', script], of);
  expect(exitCode).toBe(128);
  expect(seconds).toBeLessThan(20);
  const status = `/proc/${(await readFile(pid, 'utf8')).trim()}/status`;
  // Gone, or dead and not yet waited for by whoever adopted it.
  expect(await readFile(status, 'utf8').catch(() => 'State: Z')).toMatch(/^State:\s+[ZX]/m);
});

it('one that is not there is said to be', async () => {
  const cwd = await temporaryFolder();
  await expect(
    runTimed(['/no/such', 'x'], { cwd, env, log: join(cwd, 'log'), timeoutSeconds: 5 }),
  ).rejects.toThrow('ENOENT');
});
