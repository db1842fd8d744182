import { Context } from '@temporalio/activity';
import { SlipwayFailure } from '../schema/failures.ts';
import { satisfies } from '../schema/request.ts';
import type { Vm } from '../vm/vm.ts';
import { hostQueue } from '../workflows/names.ts';
import { activity } from './activity.ts';
import type { Demand, DemandActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';

/** So long a host that had its try leaves the build to the others. */
const AVOIDED_MILLISECONDS = 5000;

type Needs = Pick<Dependencies, 'host' | 'graceSeconds' | 'vms' | 'leases' | 'directories' | 'disks'>;

export function claimHost(needs: Needs): DemandActivities['claimHost'] {
  const { host, graceSeconds, leases, directories, disks } = needs;
  return activity('claim', async (_context, demand, round) => {
    const { attempt, scheduledTimestampMs, workflowExecution } = Context.current().info;
    const { workflowId: build = '', runId: run = '' } = workflowExecution ?? {};
    if (demand.avoid === host && Date.now() - scheduledTimestampMs < AVOIDED_MILLISECONDS) {
      throw new SlipwayFailure(
        'HostFull',
        `host ${host} had its try and leaves the build to another for 5 s`,
      );
    }
    const { type, isolation } = chooseVm(needs, demand);
    await disks.admit(directories.scratch, demand);
    // An attempt that timed out may have taken a place: nobody was told of it.
    for (const lease of await leases.list()) {
      if (lease.run === run && lease.round === round) await leases.release(lease.id);
    }
    const id = `${host}-${run}-${round}-${attempt}`;
    const vm = { type, isolation };
    await leases.claim({ id, build, run, round, vm, memoryMiB: demand.memoryMiB });
    return { id, host, queue: hostQueue(host), vm, graceSeconds };
  });
}

/** The best VM type of the host that the demand allows. */
function chooseVm({ vms, host }: Needs, demand: Demand): Vm {
  for (const vm of vms.values()) {
    const runs = vm.architectures.some((architecture) => architecture === demand.architecture);
    if (runs && satisfies(vm.isolation, demand.isolation) && (demand.type ?? vm.type) === vm.type) return vm;
  }
  const offered = [...vms.values()]
    .map((vm) => `${vm.type} (${vm.isolation}; ${vm.architectures.join(', ')})`)
    .join(', ');
  throw new SlipwayFailure(
    'NoHostAvailable',
    `host ${host} offers ${offered}; demanded is ${demand.architecture} by ${demand.type ?? 'any type'} with isolation ${demand.isolation} or stronger`,
  );
}
