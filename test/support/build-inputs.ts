import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageFile } from '../../recipes/debian/build-root/package-control.ts';
import { recipes } from '../../recipes/index.ts';
import type { BuildPlan } from '../../recipes/recipe.ts';
import { createInputCache } from '../../repositories/cache.ts';
import { hostRepositories } from '../../repositories/host-sources.ts';
import { createAptResolver } from '../../repositories/resolve.ts';
import type { Lock } from '../../schema/lock.ts';
import { BuildRequest, type BuildRequestInput } from '../../schema/request.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import type { Store } from '../../stores/store.ts';
import { TEST_CACHE } from './kernel.ts';

/** What a build root consists of: resolved anew with the machine's own repositories, files kept between runs. */
export interface BuildInputs {
  request: BuildRequest;
  lock: Lock;
  plan: BuildPlan;
  packages: PackageFile[];
  sources: { path: string; name: string }[];
}

const directory = join(TEST_CACHE, 'hello');

/** For files that a request names by digest. */
export async function inputStore(): Promise<Store> {
  await mkdir(join(directory, 'store'), { recursive: true });
  return createDirectoryStore({ directory: join(directory, 'store') });
}

export async function buildInputs(
  recipe: BuildRequestInput['recipe'],
  more: Partial<BuildRequestInput> = {},
): Promise<BuildInputs> {
  const context = { signal: AbortSignal.timeout(300_000), report: () => {} };
  const store = await inputStore();
  const cache = createInputCache({ directory: join(directory, 'inputs'), store });
  try {
    const resolver = createAptResolver({
      store,
      repositories: () => hostRepositories({ directory: join(directory, 'releases') }),
      directory: join(directory, 'lists'),
      kernelPackage: 'linux-image-cloud-amd64',
      download: cache,
      recipes,
    });
    const request = BuildRequest.parse({ recipe, ...more });
    const lock = await resolver.resolve(request, context);
    const plan = recipes[request.recipe.kind].plan(request, lock);
    const packages = [...lock.base, ...lock.dependencies];
    await cache.fetch([...packages, ...plan.sources], context);
    return {
      request,
      lock,
      plan,
      packages: packages.map((entry) => ({ ...entry, path: cache.path(entry.sha256) })),
      sources: plan.sources.map(({ name, sha256 }) => ({ name, path: cache.path(sha256) })),
    };
  } finally {
    cache.close();
  }
}

/** What GNU hello is built from. */
export function helloInputs(parts: ('any' | 'all' | 'source')[]): Promise<BuildInputs> {
  return buildInputs({ kind: 'debian', source: { name: 'hello' }, options: { parts } });
}
