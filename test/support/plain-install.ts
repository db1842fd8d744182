import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../host/run.ts';
import { plainPackages } from '../../recipes/debian/build-root/hand-in.ts';
import type { PackageFile } from '../../recipes/debian/build-root/package-control.ts';
import { preinstall } from '../../recipes/debian/build-root/preinstall.ts';
import { DEFERRED_PACKAGES } from '../../recipes/debian/build-root/skeleton.ts';
import type { BuildInputs } from './build-inputs.ts';
import { runInChroot } from './chroot.ts';

const TIMEOUT = 600_000;

/** The packages of a lock, installed by us: unpacked by preinstall, configured as in a guest. All at once. */
export async function installAtOnce(inputs: BuildInputs, tree: string): Promise<void> {
  await unpack(tree, inputs.packages);
  for (const command of inputs.plan.install.unpacked) await runInChroot(tree, command, { timeout: TIMEOUT });
}

/** The same in layers: the base first, then the others on top of it, unpacked by dpkg from files that are handed in. */
export async function installInLayers(inputs: BuildInputs, tree: string, aside: string): Promise<void> {
  const base = inputs.packages.slice(0, inputs.lock.base.length);
  await unpack(tree, base);
  for (const command of inputs.plan.install.unpacked) await runInChroot(tree, command, { timeout: TIMEOUT });
  const context = { signal: AbortSignal.timeout(TIMEOUT), report: () => {} };
  const others = await plainPackages(inputs.packages.slice(base.length), aside, context);
  await mkdir(join(tree, DEFERRED_PACKAGES));
  for (const { path, name } of others) await copyFile(path, join(tree, DEFERRED_PACKAGES, name));
  for (const command of inputs.plan.install.onBase) await runInChroot(tree, command, { timeout: TIMEOUT });
}

async function unpack(tree: string, packages: readonly PackageFile[]): Promise<void> {
  await mkdir(tree);
  await preinstall({ tree, packages, context: { signal: AbortSignal.timeout(TIMEOUT), report: () => {} } });
}

/** A merged /usr as debootstrap makes it; mmdebstrap's own hook would install one more package. */
const MERGE =
  'for name in bin sbin lib lib32 lib64 libx32; do mkdir -p "$1/usr/$name" && ln -s "usr/$name" "$1/$name"; done';

/**
 * The same packages, installed by dpkg alone, with Debian's own mmdebstrap and nothing of ours: from a repository of
 * exactly these files, on a merged /usr.
 */
export async function installPlainly(packages: readonly PackageFile[], tree: string, aside: string) {
  const repository = join(aside, 'repository');
  await mkdir(repository);
  for (const { path, ...of } of packages) {
    await copyFile(path, join(repository, `${of.package}_${of.architecture}.deb`));
  }
  const { stdout } = await run(['apt-ftparchive', 'packages', '.'], { cwd: repository });
  await writeFile(join(repository, 'Packages'), stdout);
  const names = packages.map((entry) => entry.package).join(',');
  await run(
    [
      // What it mounts in the tree is gone when it ends, whatever happens.
      ...['unshare', '--mount', '--propagation', 'private'],
      ...['mmdebstrap', '--mode=root', '--variant=custom', `--include=${names}`],
      `--setup-hook=${MERGE}`,
      ...['plain', tree, `deb [trusted=yes] copy://${repository} ./`],
    ] as [string, ...string[]],
    { timeout: TIMEOUT, env: { TMPDIR: aside } },
  );
}
