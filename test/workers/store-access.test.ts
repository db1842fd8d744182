import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfiguration } from '../../workers/configuration.ts';
import { startWorker } from '../../workers/worker.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test.each([
  ['a folder that is not mounted', (home: string) => `{directory: ${JSON.stringify(join(home, 'away'))}}`],
  ['a bucket that cannot be reached', () => '{s3: {bucket: builds, endpoint: "http://127.0.0.1:1"}}'],
])(
  'a worker whose store is %s does not join the farm',
  async (_, store) => {
    const home = await temporaryFolder();
    await writeFile(join(home, 'slipway.yaml'), `store: ${store(home)}\n`);
    const configuration = await loadConfiguration(undefined, { SLIPWAY_HOME: home });
    const address = '127.0.0.1:1';
    const temporal = { address, namespace: 'default', connection: { address }, from: 'environment' as const };
    const said: string[] = [];
    const started = startWorker(configuration, temporal, (line) => said.push(line));
    await expect(started).rejects.toMatchObject({ type: 'StoreUnavailable' });
    // Not even a guest was booted for it.
    expect(said).toEqual([]);
  },
  120_000,
);
