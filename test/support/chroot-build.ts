import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../host/run.ts';
import { preinstall } from '../../recipes/debian/build-root/preinstall.ts';
import type { BuildInputs } from './build-inputs.ts';
import { runInChroot } from './chroot.ts';

/** A build root in a folder, its packages configured; disposing deletes it. */
export interface ChrootBuild extends AsyncDisposable {
  tree: string;
  /**
   * Runs the build commands of these inputs (default: those of the build root) where no build has been before; returns
   * the log and the names of the results, which lie in the folder `output`.
   */
  build(inputs?: BuildInputs): Promise<{ log: string; results: string[]; output: string }>;
}

/** Does on this host what a guest would do, with packages that are trusted: a chroot is no guest. */
export async function chrootBuild(inputs: BuildInputs): Promise<ChrootBuild> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-chroot-'));
  const tree = join(folder, 'tree');
  const { packages, sources, plan } = inputs;
  const context = { signal: AbortSignal.timeout(180_000), report: () => {} };
  try {
    await mkdir(tree);
    await preinstall({ tree, packages, sources, sourcesDirectory: plan.sourcesDirectory, context });
    for (const command of plan.install.unpacked) await runInChroot(tree, command, { timeout: 240_000 });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    tree,
    build: (of = inputs) => build(tree, of),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function build(tree: string, { plan, sources }: BuildInputs) {
  await rm(join(tree, 'build'), { recursive: true, force: true });
  const directory = join(tree, plan.sourcesDirectory);
  await mkdir(directory, { recursive: true });
  for (const { name, path } of sources) await copyFile(path, join(directory, name));
  await run(['chown', '--recursive', '1000:1000', join(tree, 'build')]);
  const log: string[] = [];
  for (const command of plan.build) {
    const { stdout, stderr } = await runInChroot(tree, command, { timeout: 240_000 });
    log.push(stdout, stderr);
  }
  const output = join(tree, plan.outputDirectory);
  return { log: log.join(''), results: (await readdir(output)).sort(), output };
}
