import type { VmType } from '../schema/request.ts';
import type { Store } from '../stores/store.ts';
import { duration } from './printable.ts';
import { publishedResults } from './records.ts';

/** What a small package takes where nothing is known of it. */
const USUAL: Record<VmType, string> = {
  kvm: 'a small package takes a minute or two on this VM type (not measured yet)',
  container: 'a small package takes less than a minute in a container',
  emulator: 'how long a small package takes is not known of the emulator of a host',
  qemu: 'a small package takes 8 to 15 minutes on this VM type (emulated, without hardware virtualization)',
};

/** About how long builds take, where nothing is known of the package; undefined: the VM type is not known yet. */
export function estimateFor(vmType: VmType | undefined): string {
  return vmType === undefined
    ? 'a small package takes a minute or two with hardware virtualization (kvm), 8 to 15 minutes without (qemu)'
    : USUAL[vmType];
}

/** How long the newest build of a package took, from the store; undefined where none succeeded yet. */
export async function lastTime(store: Store, packageName: string): Promise<string | undefined> {
  const results = await publishedResults(store, `results/build/${packageName}/`);
  const result = results.find(({ outcome }) => outcome === 'succeeded');
  if (result === undefined) return undefined;
  return `the last build of ${packageName} took ${duration(result.statistics.totalSeconds)} on VM type ${result.vm.type}`;
}
