import type { GuestSpec } from '../../vm/vm.ts';
import { createTestVm, type TestVm } from './test-vm.ts';

/** Stands for a worker: `node vm-starter.ts <JSON>` starts a VM, says so and waits to be killed. */
export interface Start {
  vm: TestVm;
  folder: string;
  spec: GuestSpec;
  deadline: number;
}

const { vm, folder, spec, deadline } = JSON.parse(process.argv[2] ?? '') as Start;
await createTestVm(vm).start(folder, spec, deadline);
console.log('started');
setInterval(() => {}, 1 << 30);
