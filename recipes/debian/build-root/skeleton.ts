import { constants } from 'node:fs';
import { chmod, chown, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Who builds: the unprivileged user of the guest. */
export const BUILDER = { name: 'builder', id: 1000, home: '/build' } as const;

/** Folders of / that are links into /usr, as debootstrap makes them on amd64. */
export const MERGED = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'] as const;

export interface Skeleton {
  tree: string;
  /** Files for the builder. */
  sources: readonly { path: string; name: string }[];
  /** Absolute folder of the build root for them, the builder's home or below it. */
  sourcesDirectory: string;
}

/** Where the packages lie that dpkg itself unpacks in the guest; gone when everything is installed. */
export const DEFERRED_PACKAGES = '/var/cache/slipway';

/**
 * Lays into an empty folder what must be there before any package: the links of a merged /usr, so that packages land
 * right; a neutral /etc with nothing of the host's; the builder's home with the sources.
 */
export async function makeSkeleton(skeleton: Skeleton): Promise<void> {
  const { tree } = skeleton;
  await chmod(tree, 0o755);
  await folder(tree, 'usr');
  for (const name of MERGED) {
    await folder(tree, `usr/${name}`);
    await symlink(`usr/${name}`, join(tree, name));
  }
  await folder(tree, 'etc');
  await file(tree, 'etc/hostname', 'slipway\n');
  await file(tree, 'etc/hosts', '127.0.0.1 localhost slipway\n::1 localhost ip6-localhost ip6-loopback\n');
  await file(tree, 'etc/machine-id', '');
  await file(tree, 'etc/resolv.conf', '');
  await layOutSources(skeleton);
}

async function layOutSources({ tree, sources, sourcesDirectory }: Skeleton): Promise<void> {
  const { id } = BUILDER;
  let path = '';
  for (const part of sourcesDirectory.split('/').filter((word) => word !== '')) {
    path = `${path}/${part}`;
    await folder(tree, path);
    await chown(join(tree, path), id, id);
  }
  for (const { path, name } of sources) {
    const target = join(tree, sourcesDirectory, name);
    await copyFile(path, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await chmod(target, 0o644);
    await chown(target, id, id);
  }
}

/** Modes are set afterwards: the process's umask must not show in a build root. */
async function folder(tree: string, path: string): Promise<void> {
  await mkdir(join(tree, path));
  await chmod(join(tree, path), 0o755);
}

async function file(tree: string, path: string, content: string): Promise<void> {
  await writeFile(join(tree, path), content, { flag: 'wx' });
  await chmod(join(tree, path), 0o644);
}
