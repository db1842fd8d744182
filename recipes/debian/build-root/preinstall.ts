import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StepContext } from '../../../host/progress.ts';
import { run } from '../../../host/run.ts';
import { ADMINISTRATION, writeDatabase } from './database.ts';
import { addHashes } from './hashes.ts';
import type { Unpacked } from './ownership.ts';
import { type PackageControl, type PackageFile, readControl } from './package-control.ts';
import { inParallel } from './parallel.ts';
import { makeSkeleton } from './skeleton.ts';
import { Tree } from './tree.ts';
import { asFailure, unpackPackages } from './unpack-packages.ts';

export interface Preinstall {
  /** An empty folder of root's; its parent is used for temporary files. */
  tree: string;
  packages: readonly PackageFile[];
  /** Files for the builder. */
  sources: readonly { path: string; name: string }[];
  /** Absolute folder of the build root for them: the builder's home or below it. */
  sourcesDirectory: string;
  context: StepContext;
}

/**
 * Unpacks packages into a folder and writes dpkg's database of them, without running any of their scripts. What remains
 * for the guest is in the recipe's plan: their preinst scripts and `dpkg --configure`.
 *
 * A package whose preinst diverts files must not lie there before it has run: dpkg itself unpacks it in the guest.
 * @throws SlipwayFailure InputRejected (no sound package, or not the one that the lock names), InstallFailed (two
 *   packages ship the same file), ScratchFull, HostUnfit (no static busybox); the signal's reason
 */
export async function preinstall({ tree: path, packages, context, ...laid }: Preinstall): Promise<void> {
  const { signal } = context;
  const scratch = await mkdtemp(join(dirname(path), '.preinstall-'));
  try {
    const controls = await inParallel(packages, signal, (file, stop, index) =>
      readControl(file, join(scratch, `${index}`), stop).catch((error) => {
        throw asFailure(file, error);
      }),
    );
    const diverting = await Promise.all(controls.map(divertsFiles));
    const deferred = controls.filter((_, index) => diverting[index]).map(({ file }) => file);
    await makeSkeleton({
      tree: path,
      ...laid,
      passwd: await readMaster('passwd', packages, scratch, signal),
      group: await readMaster('group', packages, scratch, signal),
      deferred: deferred.map((file) => ({
        path: file.path,
        name: `${file.package}_${file.architecture}.deb`,
      })),
    });
    await using tree = await Tree.open(path, scratch, signal);
    const direct = controls.filter((_, index) => !diverting[index]);
    const unpacked = await unpackPackages(tree, direct, context);
    await installDatabase(tree, scratch, { unpacked, deferred }, signal);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** An essential package never does: dpkg needs them all before it can run. */
async function divertsFiles(control: PackageControl): Promise<boolean> {
  if (control.fields.get('Essential') === 'yes' || !control.members.includes('preinst')) return false;
  const script = await readFile(join(control.folder, 'preinst'), 'latin1');
  return script.split('\n').some((line) => !line.trimStart().startsWith('#') && line.includes('dpkg-divert'));
}

/** The users that Debian begins with. Read from the package, not from the tree, which is not to be trusted. */
async function readMaster(
  name: 'passwd' | 'group',
  packages: readonly PackageFile[],
  scratch: string,
  signal: AbortSignal,
): Promise<string> {
  const basePasswd = packages.find((file) => file.package === 'base-passwd');
  if (basePasswd === undefined) return name === 'passwd' ? 'root:*:0:0:root:/root:/bin/sh\n' : 'root:*:0:\n';
  const archive = join(scratch, 'base-passwd.tar');
  await run(['dpkg-deb', '--fsys-tarfile', basePasswd.path], { signal, stdout: { file: archive } });
  const member = `./usr/share/base-passwd/${name}.master`;
  return (await run(['tar', '-x', '-O', '-f', archive, member], { signal })).stdout;
}

/** Through the tree's own root: a package may have shipped /var/lib as a link to a folder of the host. */
async function installDatabase(
  tree: Tree,
  scratch: string,
  { unpacked, deferred }: { unpacked: readonly Unpacked[]; deferred: readonly PackageFile[] },
  signal: AbortSignal,
): Promise<void> {
  const modes = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];
  try {
    await writeDatabase(scratch, await addHashes(tree, unpacked, signal), deferred);
    await tree.unpack(['tar', '-c', '-C', scratch, ...modes, `./${ADMINISTRATION}`], signal);
  } catch (error) {
    throw asFailure("dpkg's database", error);
  }
}
