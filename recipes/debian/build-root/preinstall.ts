import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepContext } from '../../../host/progress.ts';
import { finishTree } from './finish-tree.ts';
import { OrderMatters } from './layout.ts';
import type { PackageControl, PackageInput } from './package-control.ts';
import { BUILDER, makeSkeleton } from './skeleton.ts';
import { Tree } from './tree.ts';
import { unpackPackages } from './unpack-packages.ts';

export interface Preinstall {
  /** An empty folder of root's. */
  tree: string;
  packages: readonly PackageInput[];
  /** Files for the builder. Default: none. */
  sources?: readonly { path: string; name: string }[];
  /** Absolute folder of the build root for them: the builder's home, which is the default, or below it. */
  sourcesDirectory?: string;
  context: StepContext;
}

/**
 * Unpacks packages into a folder and writes dpkg's database of them, without running any of their scripts. What remains
 * for the guest is in the recipe's plan: their preinst scripts and `dpkg --configure`. Each package is read once, several
 * at a time, as their files come.
 *
 * A package whose preinst diverts files must not lie there before it has run: dpkg itself unpacks it in the guest.
 * @throws SlipwayFailure InputRejected (no sound package, or not the one that the lock names), InstallFailed (two
 *   packages ship the same file), ScratchFull, HostUnfit (no static busybox); the signal's reason; what a file that is
 *   yet to come fails with
 */
export async function preinstall(of: Preinstall): Promise<void> {
  try {
    await fill(of, false);
  } catch (error) {
    if (!(error instanceof OrderMatters)) throw error;
    // As slow as dpkg then. No two packages of a Debian release are like that.
    for (const name of await readdir(of.tree)) await rm(join(of.tree, name), { recursive: true });
    await fill(of, true);
  }
}

async function fill({ tree: path, packages, context, ...laid }: Preinstall, inOrder: boolean): Promise<void> {
  const { sources = [], sourcesDirectory = BUILDER.home } = laid;
  await makeSkeleton({ tree: path, sources, sourcesDirectory });
  await using tree = await Tree.open(path, context.signal);
  const unpacking = { isDeferred: divertsFiles, inOrder };
  const finish = await unpackPackages(tree, packages, unpacking, context);
  await finishTree(tree, finish, context.signal);
}

/** An essential package never does: dpkg needs them all before it can run. */
function divertsFiles({ fields, members }: PackageControl): boolean {
  const script = members.get('preinst')?.content.toString('latin1');
  if (script === undefined || fields.get('Essential') === 'yes') return false;
  return script.split('\n').some((line) => !line.trimStart().startsWith('#') && line.includes('dpkg-divert'));
}
