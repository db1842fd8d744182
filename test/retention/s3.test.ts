import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publish } from '../../publishing/publish.ts';
import { collectGarbage } from '../../retention/gc.ts';
import { createS3Store } from '../../stores/s3.ts';
import { buildDeb } from '../support/deb.ts';
import { putResult } from '../support/results.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { daysAgo, listed, options } from './fixtures/aged-store.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server?.[Symbol.asyncDispose]());

test('results in a bucket are published, and go with what only they refer to', async () => {
  const place = server.place();
  const store = createS3Store(place, { credentials: CREDENTIALS });
  const folder = await temporaryFolder();
  const deb = await buildDeb(folder, { package: 'hello' });
  const old = await putResult(store, { name: 'hello', startedAt: daysAgo(50), artifacts: [deb.path] });
  const own = join(folder, 'own');
  await writeFile(own, 'of the old one alone');
  await putResult(store, { name: 'hello', version: '0', startedAt: daysAgo(60), artifacts: [own] });
  const into = join(folder, 'repository');
  await publish({ store, into, results: [old], suite: 's', component: 'main' });
  expect(await readFile(join(into, 'dists/s/main/binary-amd64/Packages'), 'utf8')).toContain(
    'Package: hello',
  );

  const young = await collectGarbage(options(store, { dryRun: true }));
  expect({ results: young.results.length, blobs: young.blobs.length }).toEqual({ results: 1, blobs: 0 });
  const objects = join(server.folder, place.prefix);
  for (const entry of await readdir(objects, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), daysAgo(3), daysAgo(3));
  }
  const { results, blobs, kept } = await collectGarbage(options(store));
  expect(results.map(({ version }) => version)).toEqual(['0']);
  expect(blobs).toHaveLength(3);
  expect(kept).toMatchObject({ results: 1, blobs: 3 });
  expect(await listed(store.listBlobs())).toHaveLength(3);
  expect(await store.blobSize(old.artifacts[0]?.sha256 ?? '')).toBeGreaterThan(0);
});
