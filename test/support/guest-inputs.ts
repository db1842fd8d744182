import { join } from 'node:path';
import { createInputCache } from '../../repositories/cache.ts';
import { hostRepositories } from '../../repositories/host-sources.ts';
import { workerGuest } from '../../repositories/resolve.ts';
import type { Architecture } from '../../schema/request.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import type { BootInputs, GuestKernels } from '../../workers/guest-kernel.ts';
import { TEST_CACHE } from './kernel.ts';

/** What guests of an architecture boot from: resolved anew with the machine's own repositories, files kept. */
export async function guestInputs(
  architecture: Architecture,
): Promise<{ kernels: GuestKernels; inputs: BootInputs }> {
  const context = { signal: AbortSignal.timeout(300_000), report: () => {} };
  const directory = join(TEST_CACHE, 'guests');
  const store = createDirectoryStore({ directory: join(directory, 'store') });
  const cache = createInputCache({ directory: join(directory, 'inputs'), store });
  try {
    const resolving = {
      store,
      repositories: () => hostRepositories({ directory: join(directory, 'releases') }),
      directory: join(directory, 'lists'),
      kernelPackage: 'linux-image-cloud-{architecture}',
    };
    const locked = await workerGuest(resolving, architecture, context.signal);
    await cache.fetch([...(locked.kernel ? [locked.kernel] : []), ...(locked.toolkit ?? [])], context);
    const path: GuestKernels['path'] = ({ sha256 }) => cache.path(sha256);
    return {
      kernels: { configuration: { from: 'package' }, path, cache: TEST_CACHE },
      inputs: { ...locked, architecture, packages: [] },
    };
  } finally {
    cache.close();
  }
}
