import { SlipwayFailure } from '../schema/failures.ts';
import type { VmType } from '../schema/request.ts';
import { createEmulatorVm } from '../vm/emulator/emulator-vm.ts';
import { createQemuVm } from '../vm/qemu/qemu-vm.ts';
import type { Vm } from '../vm/vm.ts';
import type { VmConfiguration } from './configuration/vm.ts';

/** A VM type as the operator configured it. Whether it works here is for the probe to find out. */
export function createVm(type: VmType, configuration: VmConfiguration): Vm {
  if (type === 'container') throw new SlipwayFailure('HostUnfit', 'the VM type container is not there yet');
  if (type === 'emulator') return createVmOfEmulator(configuration);
  const { uid, hugePages, qemuOptions } = configuration;
  return createQemuVm({ type, uid, gid: uid, hugePages, options: qemuOptions });
}

function createVmOfEmulator({ emulator, uid }: VmConfiguration): Vm {
  if (emulator === undefined)
    throw new Error('the configuration was read without its checks: no vm.emulator');
  return createEmulatorVm({ ...emulator, uid, gid: uid });
}
