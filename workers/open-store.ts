import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createDirectoryStore } from '../stores/directory.ts';
import type { Store } from '../stores/store.ts';
import type { Configuration } from './configuration.ts';

/** The store that worker and client are configured with. A folder in the own home is made; any other must be there. */
export async function openStore({ home, store }: Pick<Configuration, 'home' | 'store'>): Promise<Store> {
  if (store.s3 !== undefined) {
    // The AWS SDK takes a fifth of a second to load: only where it is used.
    const { createS3Store } = await import('../stores/s3.ts');
    return createS3Store(store.s3);
  }
  // The store of another place is somebody's mount: made by us it would hide that it is not mounted.
  if (store.directory === join(home, 'store')) await mkdir(store.directory, { recursive: true });
  return createDirectoryStore({ directory: store.directory });
}
