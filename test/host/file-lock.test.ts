import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { withFileLock } from '../../host/file-lock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const HOLDER = join(import.meta.dirname, 'fixtures', 'hold-lock.ts');

test('no two pieces of work overlap, and each result comes back', async () => {
  const path = join(await temporaryFolder(), 'lock');
  let inside = 0;
  const results = await Promise.all(
    [1, 2, 3, 4].map((number) =>
      withFileLock(path, 10, async () => {
        expect(++inside).toBe(1);
        await pause(20);
        inside--;
        return number;
      }),
    ),
  );
  expect(results).toEqual([1, 2, 3, 4]);
});

test('work that fails gives the lock back', async () => {
  const path = join(await temporaryFolder(), 'lock');
  await expect(withFileLock(path, 1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await withFileLock(path, 1, async () => 'yes')).toBe('yes');
});

test('a process that holds it too long is a HostFull that says where to look; waiting ends with an abort; killed, it frees the lock', async () => {
  const path = join(await temporaryFolder(), 'lock');
  const holder = spawn(process.execPath, [HOLDER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  await expect(withFileLock(path, 1, async () => 'never')).rejects.toMatchObject({
    type: 'HostFull',
    message: expect.stringContaining(path),
  });
  const stop = AbortSignal.timeout(200);
  await expect(withFileLock(path, 60, async () => 'never', stop)).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(await withFileLock(path, 5, async () => 'free')).toBe('free');
});
