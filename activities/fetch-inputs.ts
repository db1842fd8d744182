import { inputsOf } from '../schema/lock.ts';
import { activity } from './activity.ts';
import type { HostActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { readLock, scratchOf } from './on-host.ts';

type Needs = Pick<Dependencies, 'leases' | 'directories' | 'store' | 'inputs'>;

export function fetchInputs(needs: Needs): HostActivities['fetchInputs'] {
  return activity('fetch', async (context, lease, digest, parts) => {
    await scratchOf(needs, lease);
    const lock = await readLock(needs, digest);
    // A container boots nothing.
    const { kernel: _kernel, toolkit: _toolkit, ...others } = lock;
    return needs.inputs.fetch(inputsOf(lease.vm.type === 'container' ? others : lock, parts), context);
  });
}
