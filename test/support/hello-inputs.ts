import { join } from 'node:path';
import type { PackageFile } from '../../recipes/debian/build-root/package-control.ts';
import { recipes } from '../../recipes/index.ts';
import { createInputCache } from '../../repositories/cache.ts';
import { hostRepositories } from '../../repositories/host-sources.ts';
import { createAptResolver } from '../../repositories/resolve.ts';
import type { Lock } from '../../schema/lock.ts';
import { BuildRequest } from '../../schema/request.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { TEST_CACHE } from './kernel.ts';

/** What GNU hello is built from: resolved anew with the machine's own repositories, files kept between runs. */
export interface HelloInputs {
  request: BuildRequest;
  lock: Lock;
  packages: PackageFile[];
  sources: { path: string; name: string }[];
}

export async function helloInputs(parts: ('any' | 'all' | 'source')[]): Promise<HelloInputs> {
  const context = { signal: AbortSignal.timeout(300_000), report: () => {} };
  const directory = join(TEST_CACHE, 'hello');
  const store = createDirectoryStore({ directory: join(directory, 'store') });
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
    const request = BuildRequest.parse({
      recipe: { kind: 'debian', source: { name: 'hello' }, options: { parts } },
    });
    const lock = await resolver.resolve(request, context);
    const packages = [...lock.base, ...lock.dependencies];
    await cache.fetch([...packages, ...lock.source.files], context);
    return {
      request,
      lock,
      packages: packages.map((entry) => ({ ...entry, path: cache.path(entry.sha256) })),
      sources: lock.source.files.map(({ name, sha256 }) => ({ name, path: cache.path(sha256) })),
    };
  } finally {
    cache.close();
  }
}
