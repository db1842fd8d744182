import { z } from 'zod';
import { TOOLKIT_PACKAGES } from '../guest/programs.ts';
import { CommandFailed } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { type Lock, LockedPackage } from '../schema/lock.ts';
import type { Architecture } from '../schema/request.ts';
import {
  type KernelArchitecture,
  kernelArchitecture,
  nativeKernelArchitecture,
} from '../vm/architectures.ts';
import type { SourceEntry } from './apt-repository.ts';
import { readParagraphs } from './deb822.ts';
import { type Apt, currentLists, type Lists } from './package-lists.ts';
import { printedPackages } from './packages.ts';
import type { Proxies } from './proxies.ts';
import { unresolvable } from './unmet.ts';

/** What a guest boots, and what runs in it beside the build root where the host's own programs cannot. */
export type LockedGuest = Pick<Lock, 'kernel' | 'toolkit'>;

export interface GuestWanted {
  /** Of the build root. */
  architecture: Architecture;
  /** With `{architecture}` where that of the kernel goes; absent: the hosts have kernels of their own. */
  kernelPackage?: string | undefined;
  entries: readonly SourceEntry[];
  directory: string;
  proxies: Proxies;
  /** Of the processor of this machine, and of the hosts. Default: asked of Node. */
  native?: KernelArchitecture | undefined;
}

/**
 * Kernel and toolkit of a guest, out of the same repositories as the build root. A kernel of another architecture than
 * the build root's (amd64 for i386) comes from package lists of its own: in those of the build root its packages would
 * be there for the solver to take.
 * @param lists those of the build root, where there are some already
 * @throws SlipwayFailure UnresolvableDependencies; as updateLists
 */
export async function resolveGuest(
  wanted: GuestWanted,
  lists: Lists | undefined,
  signal: AbortSignal,
): Promise<LockedGuest> {
  const { architecture, kernelPackage, native = nativeKernelArchitecture(), directory, proxies } = wanted;
  const kernel = kernelArchitecture(architecture);
  const needsToolkit = kernel !== native;
  if (kernelPackage === undefined && !needsToolkit) return {};
  const its =
    lists !== undefined && kernel === architecture
      ? lists
      : await currentLists(wanted.entries, { directory, proxies, architecture: kernel }, signal);
  const name = kernelPackage?.replaceAll('{architecture}', kernel);
  return {
    ...(name === undefined
      ? {}
      : { kernel: await its.ask(['kernel', name], LockedPackage, (apt) => resolveKernel(apt, name)) }),
    ...(needsToolkit
      ? { toolkit: await its.ask(['toolkit', TOOLKIT_PACKAGES], z.array(LockedPackage), resolveToolkit) }
      : {}),
  };
}

/**
 * The kernel image package itself: the one that a metapackage such as `linux-image-cloud-amd64` depends on, or the
 * named one where it depends on none.
 * @throws SlipwayFailure UnresolvableDependencies
 */
async function resolveKernel({ root, mirrors, signal }: Apt, name: string): Promise<LockedPackage> {
  try {
    const shown = await root.run(['apt-cache', 'show', '--no-all-versions', name], { signal });
    const depends = readParagraphs(shown.stdout)[0]?.get('depends') ?? '';
    const image = /(?:^|[\s,])(linux-image-[a-z0-9.+-]+)(?: \(= ([^)]+)\))?/.exec(depends);
    const wanted =
      image === null ? name : [image[1], image[2]].filter((word) => word !== undefined).join('=');
    const printed = await root.run(['apt-get', 'download', '-qq', '--print-uris', wanted], { signal });
    const [kernel] = printedPackages(printed.stdout, mirrors);
    if (kernel !== undefined) return kernel;
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.code === 'ENOENT') throw error;
  }
  throw new SlipwayFailure('UnresolvableDependencies', `the repositories have no kernel package ${name}`, {
    items: [name],
    advice:
      'Add a repository that has it, or name another in kernelPackage of the worker configuration ({architecture} ' +
      "stands for the kernel's).",
  });
}

/** The programs of a guest with all that they depend on. */
async function resolveToolkit({ root, mirrors, signal }: Apt): Promise<LockedPackage[]> {
  try {
    const printed = await root.run(
      ['apt-get', 'install', '-qq', '--yes', '--print-uris', ...TOOLKIT_PACKAGES],
      { signal },
    );
    return printedPackages(printed.stdout, mirrors);
  } catch (error) {
    if (error instanceof CommandFailed) throw unresolvable(error, 'the programs of the guest');
    throw error;
  }
}
