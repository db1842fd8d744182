import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncFolder } from '../host/atomic-file.ts';
import { withFileLock } from '../host/file-lock.ts';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** A distribution's kernel package, unpacked. */
export interface Kernel {
  /** The image that QEMU boots. */
  image: string;
  /** `6.1.0-56-cloud-amd64` */
  release: string;
  /** Folder that has `lib/modules/<release>`, with the indexes of depmod. */
  tree: string;
}

/** Seconds that another process may take to unpack. */
const PATIENCE = 600;
const UNPACKING = 'unpacking-';

/**
 * Unpacks a kernel package into `<cache>/kernels/<SHA-256 of the package>`, once: one process of the host at a time,
 * and who comes second takes the first one's. What one that was killed has left is deleted.
 * @throws SlipwayFailure InputRejected where the package has no kernel, HostUnfit where dpkg-deb or depmod is missing
 */
export async function unpackKernel(of: {
  deb: string;
  cache: string;
  signal?: AbortSignal;
}): Promise<Kernel> {
  const { deb, cache, signal } = of;
  const kernels = join(cache, 'kernels');
  const tree = join(kernels, await digestOf(deb));
  if (!existsSync(tree)) {
    await mkdir(kernels, { recursive: true });
    const unpackOnce = async () => {
      if (!existsSync(tree)) await unpackInto(tree, deb, signal);
    };
    await withFileLock(join(cache, 'kernels.lock'), PATIENCE, unpackOnce, signal);
  }
  return found(tree, deb);
}

async function unpackInto(tree: string, deb: string, signal: AbortSignal | undefined): Promise<void> {
  const kernels = dirname(tree);
  for (const name of await readdir(kernels)) {
    if (name.startsWith(UNPACKING)) await remove(join(kernels, name));
  }
  const aside = await mkdtemp(join(kernels, UNPACKING));
  try {
    await unpack(deb, aside, signal);
    // Or a power cut leaves the name with empty files, and every guest of this host fails from then on.
    await run(['sync', '--file-system', aside]);
    await rename(aside, tree);
    await syncFolder(kernels);
  } finally {
    await remove(aside);
  }
}

/** Tried again where a dpkg-deb that has outlived its worker still writes. */
async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/**
 * The files of modules and of all that they depend on, in the order of loading. Names that are built into the kernel
 * need no file.
 * @throws SlipwayFailure InputRejected where the kernel has no such module, HostUnfit where modprobe is missing
 */
export async function moduleFiles(kernel: Kernel, modules: readonly string[]): Promise<string[]> {
  const files = new Set<string>();
  for (const module of modules) {
    const { stdout } = await kmod([
      'modprobe',
      ...['--dirname', kernel.tree, '--set-version', kernel.release, '--config', '/dev/null'],
      ...['--show-depends', module],
    ]).catch((error: unknown) => {
      if (!(error instanceof CommandFailed)) throw error;
      throw new SlipwayFailure('InputRejected', `kernel ${kernel.release} has no module ${module}`, {
        cause: error,
      });
    });
    for (const line of stdout.split('\n')) {
      const file = /^insmod (\S+)/.exec(line)?.[1];
      if (file !== undefined) files.add(file);
    }
  }
  return [...files];
}

async function unpack(deb: string, into: string, signal: AbortSignal | undefined): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  await run(['dpkg-deb', '--extract', deb, into], options).catch((error: unknown) => {
    if (!(error instanceof CommandFailed)) throw error;
    if (error.code === 'ENOENT') {
      throw new SlipwayFailure('HostUnfit', 'dpkg-deb is missing: install the Debian package dpkg');
    }
    throw new SlipwayFailure('InputRejected', `${deb} is no Debian package: ${error.message}`, {
      cause: error,
    });
  });
  const { release } = await found(into, deb);
  await kmod(['depmod', '--basedir', into, release], options);
}

async function found(tree: string, deb: string): Promise<Kernel> {
  const boot = join(tree, 'boot');
  const image = existsSync(boot)
    ? (await readdir(boot)).find((name) => name.startsWith('vmlinuz-'))
    : undefined;
  const release = image?.slice('vmlinuz-'.length);
  if (image === undefined || release === undefined || !existsSync(join(tree, 'lib/modules', release))) {
    throw new SlipwayFailure(
      'InputRejected',
      `${deb} is no kernel package: it has no kernel with its modules`,
    );
  }
  return { image: join(boot, image), release, tree };
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

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
