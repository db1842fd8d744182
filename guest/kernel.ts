import { existsSync } from 'node:fs';
import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { unpackOnce } from './unpacked.ts';

/** A kernel and its modules. */
export interface Kernel {
  /** The image that QEMU boots. */
  image: string;
  /** `6.1.0-56-cloud-amd64` */
  release: string;
  /** Folder that has `lib/modules/<release>`, with the indexes of depmod. */
  tree: string;
  /** Files of the host's operator and no package. */
  isHostsOwn?: boolean;
}

/**
 * Unpacks the package of a kernel, or its packages where image and modules are apart, into `<cache>/kernels`, once.
 * @throws SlipwayFailure InputRejected where they have no kernel, or several; HostUnfit where dpkg-deb or depmod is
 *   missing
 */
export async function unpackKernel(of: {
  debs: readonly string[];
  cache: string;
  signal?: AbortSignal | undefined;
}): Promise<Kernel> {
  const { debs, cache, signal } = of;
  const tree = await unpackOnce({
    debs,
    into: join(cache, 'kernels'),
    finish: async (unpacked) => {
      await mergeUsr(unpacked);
      const { release } = await kernelIn(unpacked, debs);
      await kmod(['depmod', '--basedir', unpacked, release], signal === undefined ? {} : { signal });
    },
    signal,
  });
  return kernelIn(tree, debs);
}

/** Newer distributions have their modules below /usr/lib, to which /lib leads; kmod looks in /lib. */
async function mergeUsr(tree: string): Promise<void> {
  if (existsSync(join(tree, 'usr/lib/modules')) && !existsSync(join(tree, 'lib'))) {
    await symlink('usr/lib', join(tree, 'lib'));
  }
}

/**
 * The files of modules and of all that they depend on, in the order of loading. Names that are built into the kernel
 * need no file.
 * @param wanted left out where the kernel has none of that name
 * @throws SlipwayFailure InputRejected where the kernel has not one that is needed (HostUnfit for a host's own), HostUnfit
 *   where modprobe is missing
 */
export async function moduleFiles(
  kernel: Kernel,
  needed: readonly string[],
  wanted: readonly string[] = [],
): Promise<string[]> {
  const files = new Set<string>();
  for (const module of [...needed, ...wanted]) {
    const found = await dependencies(kernel, module);
    if (found === undefined && needed.includes(module)) throw noModule(kernel, module);
    for (const file of found ?? []) files.add(file);
  }
  return [...files];
}

/** Undefined where the kernel has no such module, not even built in. */
async function dependencies(kernel: Kernel, module: string): Promise<string[] | undefined> {
  try {
    const { stdout } = await kmod([
      'modprobe',
      ...['--dirname', kernel.tree, '--set-version', kernel.release, '--config', '/dev/null'],
      ...['--show-depends', module],
    ]);
    return [...stdout.matchAll(/^insmod (\S+)/gm)].map(([, file]) => file ?? '');
  } catch (error) {
    if (error instanceof CommandFailed) return undefined;
    throw error;
  }
}

function noModule({ release, tree, isHostsOwn }: Kernel, module: string): SlipwayFailure {
  const message = `kernel ${release} has no module ${module}`;
  return new SlipwayFailure(isHostsOwn ? 'HostUnfit' : 'InputRejected', message, {
    advice: `A guest cannot do without it: take a kernel that has it built in or in ${tree}/lib/modules/${release}.`,
    items: [module],
  });
}

async function kernelIn(tree: string, debs: readonly string[]): Promise<Kernel> {
  const boot = join(tree, 'boot');
  const names = existsSync(boot) ? await readdir(boot) : [];
  const releases = names
    .filter((name) => name.startsWith('vmlinuz-'))
    .map((name) => name.slice('vmlinuz-'.length))
    .filter((release) => existsSync(join(tree, 'lib/modules', release)));
  const [release] = releases;
  const what = debs.join(', ');
  if (release === undefined) {
    const message = `${what} is no kernel package: it has no kernel with its modules`;
    throw new SlipwayFailure('InputRejected', message);
  }
  if (releases.length > 1) {
    const message = `${what} has ${releases.length} kernels, and which to boot is not said`;
    throw new SlipwayFailure('InputRejected', message, { items: releases });
  }
  return { image: join(boot, `vmlinuz-${release}`), release, tree };
}

async function kmod(
  argv: readonly [string, ...string[]],
  options: { signal?: AbortSignal } = {},
): Promise<{ stdout: string }> {
  return run(argv, options).catch((error: unknown) => {
    if (!(error instanceof CommandFailed) || error.code !== 'ENOENT') throw error;
    throw new SlipwayFailure('HostUnfit', `${argv[0]} is missing: install the Debian package kmod`);
  });
}
