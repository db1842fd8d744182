import { SlipwayFailure } from '../schema/failures.ts';
import type { VmType } from '../schema/request.ts';
import { createQemuVm } from '../vm/qemu/qemu-vm.ts';
import type { Vm } from '../vm/vm.ts';
import type { VmConfiguration } from './configuration/vm.ts';

/** A VM type as the operator configured it. Whether it works here is for the probe to find out. */
export function createVm(type: VmType, { uid }: VmConfiguration): Vm {
  if (type === 'container') throw new SlipwayFailure('HostUnfit', 'the VM type container is not there yet');
  return createQemuVm({ type, uid, gid: uid });
}
