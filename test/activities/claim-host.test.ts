import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { claimHost } from '../../activities/claim-host.ts';
import type { Demand } from '../../activities/contract.ts';
import { openLeases } from '../../host/leases.ts';
import { diskFiles } from '../../images/disk-places.ts';
import type { Architecture, VmType } from '../../schema/request.ts';
import type { Vm } from '../../vm/vm.ts';
import { createFakeVm } from '../support/fake-vm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const vm = (type: 'kvm' | 'qemu', architectures: readonly Architecture[]): Vm => ({
  ...createFakeVm({ scenario: {}, type, isolation: type === 'kvm' ? 'secure' : 'emulated' }),
  architectures,
});

/** A host whose KVM runs its own architecture, and whose emulation another one too. */
async function claim(demand: Partial<Demand>) {
  const scratch = await temporaryFolder();
  const vms = new Map<VmType, Vm>([
    ['kvm', vm('kvm', ['amd64', 'i386'])],
    ['qemu', vm('qemu', ['amd64', 'i386', 'arm64'])],
  ]);
  const capacity = { builds: 10, memoryMiB: 10_000 };
  const leases = await openLeases({ directory: `${scratch}/leases`, host: 'one', queue: 'q', capacity });
  const activity = claimHost({
    ...{ host: 'one', graceSeconds: 60, vms, leases, directories: { scratch }, disks: diskFiles },
  });
  const whole: Demand = {
    ...{ architecture: 'amd64', isolation: 'emulated', cpus: 1, memoryMiB: 256, diskMiB: 16 },
    ...demand,
  };
  return new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(
    activity,
    whole,
    1,
  ) as ReturnType<typeof activity>;
}

test.each([
  [{ architecture: 'amd64' }, 'kvm'],
  [{ architecture: 'i386' }, 'kvm'],
  [{ architecture: 'arm64' }, 'qemu'],
  [{ architecture: 'amd64', type: 'qemu' }, 'qemu'],
] as const)('for %j the lease is for %s', async (demand, type) => {
  expect((await claim(demand)).vm.type).toBe(type);
});

test.each([
  [{ architecture: 'arm64', isolation: 'secure' }],
  [{ architecture: 'arm64', type: 'kvm' }],
  [{ architecture: 'armhf' }],
] as const)('for %j there is none, and it is said what there is', async (demand) => {
  await expect(claim(demand)).rejects.toMatchObject({
    type: 'NoHostAvailable',
    message: expect.stringMatching(
      /^host one offers kvm \(secure; amd64, i386\), qemu \(emulated; amd64, i386, arm64\); demanded is ar/,
    ),
  });
});
