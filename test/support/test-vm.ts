import { createQemuVm, type QemuVmOptions } from '../../vm/qemu/qemu-vm.ts';
import type { Vm } from '../../vm/vm.ts';
import { createFakeVm, type FakeScenario } from './fake-vm.ts';

/** A VM as data, so that another process can make the same. */
export type TestVm = { fake: FakeScenario } | { qemu: QemuVmOptions };

export function createTestVm(of: TestVm): Vm {
  return 'fake' in of ? createFakeVm({ scenario: of.fake }) : createQemuVm(of.qemu);
}
