import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SlipwayFailure } from '../../schema/failures.ts';
import { probeVmTypes } from '../../vm/probe.ts';
import { createSupervisedVm } from '../../vm/supervised-vm.ts';
import type { Vm } from '../../vm/vm.ts';
import { createFakeVm } from '../support/fake-vm.ts';
import { scratch } from '../support/scratch.ts';

const unfit: Vm = createSupervisedVm({
  ...{ type: 'kvm', isolation: 'secure' },
  check: async () => {
    throw new SlipwayFailure('HostUnfit', '/dev/kvm does not exist', { advice: 'Load the module.' });
  },
  monitor: () => ({ argv: ['false'] }),
});

describe('probe of VM types', () => {
  it('believes only in guests that speak', async () => {
    await using folder = await scratch();
    const probes = await probeVmTypes({
      candidates: [
        { vm: createFakeVm({ scenario: { behaviour: 'long' } }), seconds: 20 },
        {
          vm: createFakeVm({ scenario: { behaviour: 'never-boots' }, type: 'kvm', isolation: 'secure' }),
          seconds: 1,
        },
        { vm: unfit, seconds: 1 },
      ],
      architecture: 'amd64',
      kernel: '/dev/null',
      writeInitramfs: async () => {},
      scratch: folder.path,
    });
    expect(probes).toEqual([
      {
        type: 'qemu',
        architecture: 'amd64',
        works: true,
        seconds: expect.any(Number),
        reason: expect.stringMatching(/^a guest booted in/),
      },
      {
        type: 'kvm',
        architecture: 'amd64',
        works: false,
        reason: expect.stringMatching(/opens, but .* within 1 s\. .*nested virtualization/),
        advice: expect.stringMatching(/nested virtualization/),
      },
      {
        type: 'kvm',
        architecture: 'amd64',
        works: false,
        reason: '/dev/kvm does not exist. Load the module.',
        advice: 'Load the module.',
      },
    ]);
    expect(await readdir(folder.path)).toEqual([]);
  });
});
