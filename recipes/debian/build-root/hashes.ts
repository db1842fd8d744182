import type { UnpackedPackage } from './database.ts';
import type { Unpacked } from './ownership.ts';
import type { Tree } from './tree.ts';

/**
 * Adds what dpkg hashes when it unpacks: the conffiles of every package, and all other files of one that brings no
 * list of them.
 */
export async function addHashes(
  tree: Tree,
  unpacked: readonly Unpacked[],
  signal: AbortSignal,
): Promise<UnpackedPackage[]> {
  const packages = unpacked.map(({ control, names }) => {
    const paths = names.map(toPath);
    const conffiles = new Set(control.conffiles.map(({ path }) => path));
    return { control, paths, conffiles, silent: !control.members.includes('md5sums') };
  });
  const shipped = packages.flatMap(({ paths, conffiles }) => paths.filter((path) => conffiles.has(path)));
  const unlisted = packages.filter(({ silent }) => silent).flatMap(({ paths }) => paths);
  const hashes = await hash(tree, [...shipped, ...(await regular(tree, unlisted, signal))], signal);
  return packages.map(({ control, paths, conffiles, silent }) => {
    const lines = paths
      .filter((path) => hashes.has(path) && !conffiles.has(path))
      .map((path) => `${hashes.get(path)}  ${path.slice(1)}\n`);
    return { control, paths, conffiles: hashes, ...(silent ? { md5sums: lines.join('') } : {}) };
  });
}

async function regular(tree: Tree, paths: readonly string[], signal: AbortSignal): Promise<string[]> {
  const lines = (await tree.runOver(['stat', '-c', '%f %n'], paths, signal)).split('\n');
  return lines.filter((line) => /^8[0-9a-f]{3} /.test(line)).map((line) => line.slice(5));
}

async function hash(tree: Tree, paths: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
  const lines = (await tree.runOver(['md5sum'], paths, signal)).split('\n');
  return new Map(lines.map((line) => [line.slice(34), line.slice(0, 32)]));
}

/** `./usr/` → `/usr`, `./` → `/.`: as dpkg's lists have them. */
function toPath(name: string): string {
  return name === './' ? '/.' : `/${name.replace(/^\.?\//, '').replace(/\/$/, '')}`;
}
