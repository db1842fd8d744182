import { ISOLATIONS, satisfies } from '../schema/request.ts';
import type { Vm } from '../vm/vm.ts';
import { queueName, SIZE_CLASSES, type SizeClass, sizeClass } from '../workflows/names.ts';

export interface Offer {
  /** Proven by a probe, with the architectures that were. */
  vms: Iterable<Pick<Vm, 'type' | 'isolation' | 'architectures'>>;
  /** Of all guests together. */
  memoryMiB: number;
}

/**
 * The demand queues that an offer satisfies: for each architecture of each VM by type, and by every isolation up to that
 * of the VM; by every class of memory up to the one that the host's own memory falls into. What is too much within a
 * class the claim refuses.
 */
export function demandQueues({ vms, memoryMiB }: Offer): string[] {
  const sizes = Object.keys(SIZE_CLASSES) as SizeClass[];
  const own = sizes.slice(0, sizes.indexOf(sizeClass(memoryMiB)) + 1);
  const queues = [...vms].flatMap((vm) => {
    const demands = [vm.type, ...ISOLATIONS.filter((demanded) => satisfies(vm.isolation, demanded))];
    return vm.architectures.flatMap((architecture) =>
      demands.flatMap((demand) => own.map((size) => queueName(architecture, demand, size))),
    );
  });
  return [...new Set(queues)];
}
