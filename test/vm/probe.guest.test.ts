import { readdir } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { bootInitramfs } from '../../guest/initramfs.ts';
import type { Kernel } from '../../guest/kernel.ts';
import { toolkitInitramfs } from '../../guest/toolkit.ts';
import { probeVmTypes, type VmProbe } from '../../vm/probe.ts';
import { createQemuVm } from '../../vm/qemu/qemu-vm.ts';
import { testKernel } from '../support/busybox-guest.ts';
import { scratch } from '../support/scratch.ts';
import { processesOf } from '../support/vm-processes.ts';

const IDENTITY = { uid: 61_234, gid: 61_234 };

describe('probe of VM types', () => {
  let kernel: Kernel;
  beforeAll(async () => {
    kernel = await testKernel();
  });

  async function probe(type: 'kvm' | 'qemu', seconds: number): Promise<VmProbe | undefined> {
    await using folder = await scratch();
    await using tools = await scratch();
    const toolkit = `${tools.path}/toolkit`;
    await toolkitInitramfs({ kernel, filesystemModules: [], into: toolkit });
    const [found] = await probeVmTypes({
      candidates: [{ vm: createQemuVm({ type, ...IDENTITY }), seconds }],
      architecture: 'amd64',
      kernel: kernel.image,
      writeInitramfs: (spec) => bootInitramfs({ spec, toolkit, into: spec.initramfs }),
      scratch: folder.path,
    });
    expect(await readdir(folder.path)).toEqual([]);
    expect(await processesOf(folder.path)).toEqual([]);
    return found;
  }

  it('finds that QEMU emulates', async () => {
    expect(await probe('qemu', 90)).toMatchObject({ type: 'qemu', works: true, seconds: expect.any(Number) });
  });

  // The same question of any machine; which answer is right depends on it.
  it('finds whether KVM works, and says why not', async () => {
    const found = await probe('kvm', 10);
    expect(found).toMatchObject({ type: 'kvm' });
    expect(found?.reason).toMatch(found?.works ? /booted in/ : /nested virtualization/);
  });
});
