import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { holdersOf, isHeld } from '../../vm/lock.ts';
import { scratch } from '../support/scratch.ts';

describe('the lock of a VM', () => {
  it('is held by whoever has it open and locked, and by nobody else', async () => {
    await using base = await scratch();
    const lock = join(base.path, 'lock');
    expect(isHeld(lock)).toBe(false);
    expect(holdersOf(lock)).toEqual([]);
    await writeFile(lock, '');
    expect(isHeld(lock)).toBe(false);
    const holder = spawn('flock', ['--no-fork', lock, 'sh', '-c', 'echo locked; exec sleep 100'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(holder.stdout, 'data');
    expect(isHeld(lock)).toBe(true);
    expect(holdersOf(lock)).toEqual([{ pid: holder.pid, inside: false }]);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(isHeld(lock)).toBe(false);
    expect(holdersOf(lock)).toEqual([]);
  });
});
