import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dependencies } from '../activities/dependencies.ts';
import { openLeases } from '../host/leases.ts';
import type { BuildRoots } from '../images/build-roots/build-roots.ts';
import { createDiskDevices } from '../images/disk-devices.ts';
import { createDiskFiles, type DiskPlaces } from '../images/disk-places.ts';
import { filesystems, withMountOptions } from '../images/filesystems.ts';
import { recipes } from '../recipes/index.ts';
import { createInputCache, type InputCache } from '../repositories/cache.ts';
import { machineRepositories } from '../repositories/machine-repositories.ts';
import { readProxies } from '../repositories/proxies.ts';
import { type AptResolverOptions, createAptResolver } from '../repositories/resolve.ts';
import type { Store } from '../stores/store.ts';
import type { Vm } from '../vm/vm.ts';
import { hostQueue } from '../workflows/names.ts';
import { hostBuildRoots } from './build-roots.ts';
import { codeDigest } from './code-digest.ts';
import type { Configuration } from './configuration.ts';
import { createGuests } from './guests.ts';
import { openStore } from './open-store.ts';

/** What a worker stands on, but for the VM types: those have to be proven first. */
export interface Composition {
  /** `vms` best first. */
  dependencies(vms: readonly Vm[]): Dependencies;
  inputs: InputCache;
  store: Store;
  /** Where the worker's own repositories and kernel come from. */
  resolving: Omit<AptResolverOptions, 'download' | 'recipes'>;
  /** Closes kept connections. */
  close(): void;
}

/** Wires everything together: the only place that knows which implementation stands behind which seam. */
export async function compose(configuration: Configuration): Promise<Composition> {
  const { directories, host, capacity, disks, downloads, limits } = configuration;
  // Of the code that this process runs, not of what an upgrade puts in its place later.
  await codeDigest();
  for (const folder of Object.values(directories)) await mkdir(folder, { recursive: true });
  const store = await openStore(configuration);
  const proxies = await readProxies();
  const inputs = createInputCache({
    directory: join(directories.cache, 'inputs'),
    store,
    keep: configuration.store.keepInputs,
    proxies: proxies.environment,
    ...downloads,
  });
  const lists = join(directories.cache, 'lists');
  const resolving = {
    store,
    repositories: configuration.repositories ?? machineRepositories({ directory: lists, proxies }),
    directory: lists,
    kernelPackage: configuration.kernel.from === 'package' ? configuration.kernelPackage : undefined,
    proxies,
  };
  const leases = await openLeases({
    directory: join(directories.state, 'leases'),
    host,
    queue: hostQueue(host),
    capacity,
  });
  const buildRoots = hostBuildRoots(configuration, leases);
  return {
    inputs,
    store,
    resolving,
    close: () => inputs.close(),
    dependencies: (vms) => ({
      host,
      graceSeconds: configuration.temporal.graceSeconds,
      directories,
      ceilings: limits,
      store,
      resolver: createAptResolver({ ...resolving, download: inputs, recipes }),
      recipes,
      inputs,
      vms: new Map(vms.map((vm) => [vm.type, vm])),
      filesystems: { default: disks.filesystem, byName: withMountOptions(filesystems, disks.mountOptions) },
      fill: disks.fill,
      disks: diskPlaces(configuration, buildRoots),
      buildRoots,
      guests: createGuests({ inputs, cache: directories.cache, kernel: configuration.kernel }),
      leases,
    }),
  };
}

function diskPlaces({ disks, host, directories }: Configuration, { makeRoom }: BuildRoots): DiskPlaces {
  const { devices: pairs, clean } = disks;
  if (pairs === undefined) return createDiskFiles(makeRoom);
  return createDiskDevices({ pairs, clean, host, lock: join(directories.state, 'devices.lock') });
}
