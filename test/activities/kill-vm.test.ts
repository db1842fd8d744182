import { expect, test } from 'vitest';
import { killVms } from '../../activities/kill-vm.ts';
import { bootTime } from '../../host/boot-time.ts';
import { createScratch } from '../../host/scratch.ts';
import { fakeBoot } from '../support/fake-boot.ts';
import { createFakeVm } from '../support/fake-vm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('a VM is killed also on a host that no longer offers its type', async () => {
  const scratch = await createScratch(await temporaryFolder(), 'host-run-1-1');
  const folder = scratch.vm('build');
  const started = createFakeVm({ scenario: { behaviour: 'long' }, type: 'kvm', isolation: 'secure' });
  await started.start(folder, await fakeBoot(scratch.folder), bootTime() + 30);
  await expect.poll(async () => (await started.status(folder)).state).toBe('running');
  const left = createFakeVm({ scenario: {}, type: 'qemu' });
  await killVms({ vms: new Map([['qemu', left]]) }, scratch);
  expect(await started.status(folder)).toMatchObject({ state: 'ended', end: { kind: 'broken' } });
});
