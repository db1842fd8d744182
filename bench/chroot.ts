import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { preinstall } from '../recipes/debian/build-root/preinstall.ts';
import { debianRecipe } from '../recipes/debian/recipe.ts';
import { createInputCache } from '../repositories/cache.ts';
import { Lock } from '../schema/lock.ts';
import type { BuildResult } from '../schema/result.ts';
import { runInChroot } from '../test/support/chroot.ts';
import type { Configuration } from '../workers/configuration.ts';
import { openStore } from '../workers/open-store.ts';
import { quietly } from './quietly.ts';
import type { Figure } from './table.ts';
import { timed } from './timed.ts';

/** The same build from the same lock in a plain chroot on the host: the lower bound. */
export async function buildInChroot(
  { request, lock: digest }: BuildResult,
  configuration: Configuration,
  folder: string,
): Promise<Figure[]> {
  const store = await openStore(configuration);
  const lock = Lock.parse(JSON.parse(Buffer.from(await store.readBytes(digest)).toString()));
  const cache = createInputCache({ directory: configuration.directories.cache, store });
  const packages = [...lock.base, ...lock.dependencies];
  await cache.fetch([...packages, ...lock.source.files], quietly());
  cache.close();

  const plan = debianRecipe.plan(request, lock);
  const tree = join(folder, 'tree');
  await mkdir(tree);
  const unpack = await timed(() =>
    preinstall({
      tree,
      packages: packages.map((entry) => ({ ...entry, path: cache.path(entry.sha256) })),
      sources: plan.sources.map(({ name, sha256 }) => ({ name, path: cache.path(sha256) })),
      sourcesDirectory: plan.sourcesDirectory,
      context: quietly(),
    }),
  );
  const install = await timed(() => inTurn(plan.install.unpacked, (command) => runInChroot(tree, command)));
  const build = await timed(() => inTurn(plan.build, (command) => runInChroot(tree, command)));
  return [
    { what: 'chroot: unpack', value: unpack, unit: 's' },
    { what: 'chroot: install', value: install, unit: 's' },
    { what: '**chroot: the build**', value: build, unit: 's' },
  ];
}

async function inTurn<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  for (const item of items) await work(item);
}
