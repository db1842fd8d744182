import { CommandFailed } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { LockedPackage } from '../schema/lock.ts';
import type { AptRoot } from './apt-root.ts';
import { readParagraphs } from './deb822.ts';
import { type Mirrors, printedPackages } from './packages.ts';

/**
 * The kernel image package itself: the one that a metapackage such as `linux-image-cloud-amd64` depends on, or the
 * named one where it depends on none.
 * @throws SlipwayFailure UnresolvableDependencies
 */
export async function resolveKernel(
  root: AptRoot,
  name: string,
  mirrors: Mirrors,
  signal: AbortSignal,
): Promise<LockedPackage> {
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
    advice: 'Add a repository that has it, or name another in kernelPackage of the worker configuration.',
  });
}
