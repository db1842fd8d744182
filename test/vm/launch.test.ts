import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { bootTime } from '../../host/boot-time.ts';
import { COMPILE_CACHE } from '../../vm/launch.ts';
import { isHeld } from '../../vm/lock.ts';
import { fakeBoot } from '../support/fake-boot.ts';
import { createFakeVm } from '../support/fake-vm.ts';
import { scratch } from '../support/scratch.ts';

it('a supervisor that has come to its end leaves its compiled code for the next', async () => {
  await using base = await scratch();
  const folder = join(base.path, 'vm');
  await mkdir(folder);
  const vm = createFakeVm({ scenario: { behaviour: 'success' } });
  await vm.start(folder, await fakeBoot(base.path), bootTime() + 600);
  await vi.waitUntil(() => !isHeld(join(folder, 'lock')), { timeout: 30_000, interval: 20 });
  expect((await vm.status(folder)).end).toEqual({ kind: 'succeeded' });
  const kept = await readdir(COMPILE_CACHE, { recursive: true, withFileTypes: true });
  expect(kept.filter((entry) => entry.isFile()).length).toBeGreaterThan(10);
  await vm.kill(folder);
});
