import { createContainerVm } from '../../vm/container/container-vm.ts';
import { createEmulatorVm, type EmulatorVmOptions } from '../../vm/emulator/emulator-vm.ts';
import { createQemuVm, type QemuVmOptions } from '../../vm/qemu/qemu-vm.ts';
import type { Vm } from '../../vm/vm.ts';
import { createFakeVm, type FakeScenario } from './fake-vm.ts';

/** A VM as data, so that another process can make the same. */
export type TestVm =
  | { fake: FakeScenario }
  | { qemu: QemuVmOptions }
  | { emulator: EmulatorVmOptions }
  | { container: true };

export function createTestVm(of: TestVm): Vm {
  if ('container' in of) return createContainerVm();
  if ('emulator' in of) return createEmulatorVm(of.emulator);
  return 'fake' in of ? createFakeVm({ scenario: of.fake }) : createQemuVm(of.qemu);
}
