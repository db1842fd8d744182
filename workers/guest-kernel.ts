import { type Kernel, unpackKernel } from '../guest/kernel.ts';
import { ownKernel, readInitramfs } from '../guest/own-kernel.ts';
import { type ProgramSource, unpackPrograms } from '../guest/programs.ts';
import { toolkitInitramfs } from '../guest/toolkit.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { InputFile, Lock, LockedPackage } from '../schema/lock.ts';
import type { Architecture } from '../schema/request.ts';
import {
  type KernelArchitecture,
  kernelArchitecture,
  nativeKernelArchitecture,
} from '../vm/architectures.ts';
import type { KernelConfiguration } from './configuration/kernel.ts';

export interface GuestKernels {
  configuration: KernelConfiguration;
  /** Where a fetched file lies. */
  path(file: InputFile): string;
  /** Absolute folder in which unpacked kernels are kept. */
  cache: string;
  /** Default: what this host is. */
  native?: KernelArchitecture;
}

/** What of a lock a guest boots from. */
export type BootInputs = Pick<Lock, 'kernel' | 'toolkit'> & {
  architecture: Architecture;
  /** Of the build root: it may be they that have the kernel. */
  packages: readonly LockedPackage[];
};

/**
 * The kernel that the operator of this host wants, and the toolkit for it, written to `into`.
 * @param aside folder that may be made for it
 * @throws SlipwayFailure HostUnfit (the host's own files are not what they should be, a program is missing),
 *   InputRejected (a package is not), UnresolvableDependencies (the build root has no kernel)
 */
export async function makeToolkit(
  guests: GuestKernels,
  inputs: BootInputs,
  to: { filesystemModules: readonly string[]; into: string; aside: string },
  signal: AbortSignal,
): Promise<Kernel> {
  const { configuration } = guests;
  const kernel = await kernelOf(guests, inputs, to.aside, signal);
  const before =
    configuration.initramfs === undefined ? undefined : await readInitramfs(configuration.initramfs);
  await toolkitInitramfs({
    kernel,
    filesystemModules: to.filesystemModules,
    into: to.into,
    programs: await programsOf(guests, inputs, signal),
    ...(before === undefined ? {} : { before }),
  });
  return kernel;
}

async function kernelOf(
  { configuration, path, cache }: GuestKernels,
  { architecture, kernel, packages }: BootInputs,
  aside: string,
  signal: AbortSignal,
): Promise<Kernel> {
  const { from, image, modules } = configuration;
  const its = kernelArchitecture(architecture);
  if (from === 'files') {
    if (image === undefined || modules === undefined)
      throw new Error('kernel.image and kernel.modules are missing');
    return ownKernel({ image, modules }, its, aside);
  }
  const wanted = from === 'build-root' ? kernelPackages(packages, its) : [kernel ?? noKernelLocked()];
  return unpackKernel({ debs: wanted.map(path), cache, signal });
}

/** Image and modules may be apart. */
const KERNEL_PACKAGE = /^linux-(image|modules|modules-extra)-(unsigned-)?[0-9]/;

function kernelPackages(
  packages: readonly LockedPackage[],
  architecture: KernelArchitecture,
): LockedPackage[] {
  const found = packages.filter(
    (each) =>
      KERNEL_PACKAGE.test(each.package) &&
      !each.package.endsWith('-dbg') &&
      each.architecture === architecture,
  );
  if (found.length > 0) return found;
  throw new SlipwayFailure(
    'UnresolvableDependencies',
    `the build root has no kernel package for ${architecture}, and this host boots the kernel of the build root`,
    {
      advice:
        'Have the request add one to the build root (linux-image-…), or set kernel.from of the worker configuration to package.',
    },
  );
}

function noKernelLocked(): never {
  throw new SlipwayFailure(
    'HostUnfit',
    'the lock has no kernel package: the worker that resolved the build has kernels of its own, this host has not',
    { advice: 'Give all workers of a farm the same section kernel in their configuration.' },
  );
}

async function programsOf(
  { path, cache, native = nativeKernelArchitecture() }: GuestKernels,
  { architecture, toolkit }: BootInputs,
  signal: AbortSignal,
): Promise<ProgramSource> {
  const its = kernelArchitecture(architecture);
  if (its === native) return 'host';
  if (toolkit !== undefined) {
    return { tree: await unpackPrograms({ debs: toolkit.map(path), cache, signal }), architecture: its };
  }
  throw new SlipwayFailure(
    'HostUnfit',
    `the lock has no programs for guests of ${its}, and this host, which is ${native}, has none`,
    { advice: `Have a worker on ${native} resolve it: start the build again, or run only such workers.` },
  );
}
