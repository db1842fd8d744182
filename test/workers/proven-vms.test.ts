import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bootTime } from '../../host/boot-time.ts';
import { sweepProbes } from '../../workers/proven-vms.ts';
import { fakeBoot } from '../support/fake-boot.ts';
import { createFakeVm } from '../support/fake-vm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { processesOf } from '../support/vm-processes.ts';

test('what a worker left that was killed while it probed is ended and deleted, and nothing else', async () => {
  const scratch = await temporaryFolder();
  const base = join(scratch, '.probe-one-abc123', 'probe-def456');
  await mkdir(join(base, 'vm'), { recursive: true });
  await mkdir(join(scratch, '.probe-one-early1'));
  await mkdir(join(scratch, 'lease'));
  await mkdir(join(scratch, '.probe-one-two-abc123'));
  const vm = createFakeVm({ scenario: { behaviour: 'long' } });
  await vm.start(join(base, 'vm'), await fakeBoot(base), bootTime() + 60);
  expect(await processesOf(scratch)).not.toEqual([]);
  await sweepProbes(scratch, 'one');
  expect(await processesOf(scratch)).toEqual([]);
  expect((await readdir(scratch)).sort()).toEqual(['.probe-one-two-abc123', 'lease']);
});
