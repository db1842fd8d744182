import { type ScratchFolder, scratchFolder } from '../host/scratch.ts';
import type { Filesystem } from '../images/filesystem.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { Lock } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';
import type { Vm } from '../vm/vm.ts';
import type { Lease } from './contract.ts';
import type { Dependencies } from './dependencies.ts';

/** The scratch of a lease that still is in force: what every step on a host begins with. */
export async function scratchOf(
  { leases, directories }: Pick<Dependencies, 'leases' | 'directories'>,
  lease: Lease,
): Promise<ScratchFolder> {
  await leases.check(lease.id);
  return scratchFolder(directories.scratch, lease.id);
}

/** @throws SlipwayFailure HostUnfit where the host no longer offers the VM type that it promised */
export function vmOf({ vms, host }: Pick<Dependencies, 'vms' | 'host'>, lease: Lease): Vm {
  const vm = vms.get(lease.vm.type);
  if (vm !== undefined) return vm;
  throw new SlipwayFailure('HostUnfit', `host ${host} no longer offers the VM type ${lease.vm.type}`);
}

/** The filesystem of a build's disk. @throws SlipwayFailure HostUnfit where this host has it not */
export function filesystemOf(
  { filesystems, host }: Pick<Dependencies, 'filesystems' | 'host'>,
  { resources }: BuildRequest,
): Filesystem {
  const name = resources.filesystem ?? filesystems.default;
  const filesystem = filesystems.byName[name];
  if (filesystem !== undefined) return filesystem;
  throw new SlipwayFailure('HostUnfit', `host ${host} does not make disks with ${name}`);
}

/** The lock of a build, read from the store and checked. */
export async function readLock({ store }: Pick<Dependencies, 'store'>, digest: string): Promise<Lock> {
  return Lock.parse(JSON.parse(Buffer.from(await store.readBytes(digest)).toString('utf8')));
}
