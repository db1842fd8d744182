import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bootTime } from '../../host/boot-time.ts';
import type { VmProbe } from '../../vm/probe.ts';
import { VmConfiguration } from '../../workers/configuration/vm.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { provenVms, sweepProbes } from '../../workers/proven-vms.ts';
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

const probe = (type: VmProbe['type'], architecture: VmProbe['architecture'], works: boolean): VmProbe => ({
  ...{ type, architecture, works, reason: works ? 'booted' : 'did not' },
});

const configuration = { host: 'one', vm: VmConfiguration.parse({}) } as Configuration;

test('a VM type is offered for the architectures that were proven with it, the best type first', () => {
  const vms = provenVms(configuration, [
    ...[probe('qemu', 'amd64', true), probe('kvm', 'amd64', true), probe('kvm', 'i386', false)],
    ...[probe('qemu', 'i386', true), probe('qemu', 'arm64', true)],
  ]);
  expect(vms.map(({ type, architectures }) => [type, architectures])).toEqual([
    ['kvm', ['amd64']],
    ['qemu', ['amd64', 'i386', 'arm64']],
  ]);
});

test('where none works the host is unfit, with each reason', () => {
  expect(() => provenVms(configuration, [probe('kvm', 'amd64', false)])).toThrow(
    'no VM type works on host one',
  );
});
