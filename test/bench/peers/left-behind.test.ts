import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { leftBehind } from '../../../bench/peers/left-behind.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

it('a process that names one of the folders is found, and nothing of others', async () => {
  const folder = await temporaryFolder();
  expect(await leftBehind([folder])).toEqual([]);
  const child = spawn('tail', ['-f', '/dev/null', join(folder, 'x')], { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
    expect(await leftBehind([folder])).toEqual([`process ${child.pid}: tail -f /dev/null ${folder}/x `]);
    expect(await leftBehind([`${folder}-other`])).toEqual([]);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
