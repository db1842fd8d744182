import { statSync } from 'node:fs';
import { SlipwayFailure } from '../schema/failures.ts';
import type { VmType } from '../schema/request.ts';
import { createContainerVm } from '../vm/container/container-vm.ts';
import { createEmulatorVm } from '../vm/emulator/emulator-vm.ts';
import { type HugePages, hugePagePool } from '../vm/qemu/huge-pages.ts';
import { createQemuVm } from '../vm/qemu/qemu-vm.ts';
import type { Vm } from '../vm/vm.ts';
import type { VmConfiguration } from './configuration/vm.ts';

/** A VM type as the operator configured it. Whether it works here is for the probe to find out. */
export function createVm(type: VmType, configuration: VmConfiguration): Vm {
  if (type === 'container') return createContainerVm();
  if (type === 'emulator') return createVmOfEmulator(configuration);
  const { uid, hugePages, qemuOptions } = configuration;
  return createQemuVm({ type, uid, gid: uid, hugePages, options: qemuOptions });
}

function createVmOfEmulator({ emulator, uid }: VmConfiguration): Vm {
  if (emulator === undefined)
    throw new Error('the configuration was read without its checks: no vm.emulator');
  return createEmulatorVm({ ...emulator, uid, gid: uid });
}

/** What of the host the VM types depend on that an operator may change at any time: then they are to be proven anew. */
export function standingOf({ emulator, hugePages }: VmConfiguration): unknown {
  const program = emulator && statSync(emulator.program, { throwIfNoEntry: false });
  return {
    ...(program === undefined ? {} : { emulator: [program.mtimeMs, program.size, program.mode] }),
    ...(hugePages === false ? {} : { hugePages: reserved(hugePages) }),
  };
}

function reserved(hugePages: HugePages): number {
  try {
    return hugePagePool(hugePages).total;
  } catch (error) {
    if (!(error instanceof SlipwayFailure)) throw error;
    return 0;
  }
}
