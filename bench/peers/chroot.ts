import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../host/run.ts';
import { preinstall } from '../../recipes/debian/build-root/preinstall.ts';
import { runInChroot } from '../../test/support/chroot.ts';
import { quietly } from '../quietly.ts';
import { timed } from '../timed.ts';
import { type Inputs, rootPackages } from './inputs.ts';
import type { Bench, Peer } from './peer.ts';

/** The recipe's own commands in a folder of the host: the lower bound. Making the folder is not counted. */
export function chrootPeer({ folder }: Bench): Peer {
  const treeOf = ({ source }: Inputs) => join(folder, 'chroots', source);
  return {
    name: 'chroot',
    isLong: false,
    rounds: 'many',
    missing: async () => (process.getuid?.() === 0 ? undefined : 'needs root'),
    prepare: async (all) => {
      for (const inputs of all) await install(inputs, treeOf(inputs));
    },
    measure: async (inputs) => {
      const copy = await mkdtemp(join(folder, 'chroot-'));
      try {
        const tree = join(copy, 'tree');
        await run(['cp', '--archive', '--reflink=auto', treeOf(inputs), tree]);
        await run(['sync', '--file-system', copy]);
        const own = await timed(async () => {
          for (const command of inputs.plan.build) await runInChroot(tree, command);
        });
        return { own };
      } finally {
        await rm(copy, { recursive: true, force: true });
      }
    },
  };
}

async function install(inputs: Inputs, tree: string): Promise<void> {
  const { plan, path } = inputs;
  await mkdir(tree, { recursive: true });
  await preinstall({
    tree,
    packages: rootPackages(inputs).map((entry) => ({ ...entry, path: path(entry.sha256) })),
    sources: plan.sources.map(({ name, sha256 }) => ({ name, path: path(sha256) })),
    sourcesDirectory: plan.sourcesDirectory,
    context: quietly(),
  });
  for (const command of plan.install.unpacked) await runInChroot(tree, command);
}
