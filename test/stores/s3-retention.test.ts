import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collectGarbage } from '../../retention/gc.ts';
import { createS3Store } from '../../stores/s3.ts';
import { logStream } from '../../workflows/names.ts';
import { daysAgo, listed, options } from '../retention/fixtures/aged-store.ts';
import { putResult } from '../support/results.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server?.[Symbol.asyncDispose]());

/** All objects as if they had been written so many days ago. */
async function age(prefix: string, days: number): Promise<void> {
  const entries = await readdir(join(server.folder, prefix), { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile())) {
    await utimes(join(entry.parentPath, entry.name), daysAgo(days), daysAgo(days));
  }
}

test('gc of a bucket deletes old results with all that only they refer to, and nothing else', async () => {
  const place = server.place();
  const store = createS3Store(place, { credentials: CREDENTIALS });
  const folder = await temporaryFolder();
  const [shared, own] = [join(folder, 'shared.deb'), join(folder, 'own.deb')];
  await writeFile(shared, 'shared');
  await writeFile(own, 'own');
  const [oldInput, newInput] = [
    await store.putBytes(Buffer.from('1')),
    await store.putBytes(Buffer.from('2')),
  ];
  await putResult(store, {
    ...{ name: 'hello', startedAt: daysAgo(50), artifacts: [shared, own], inputs: [oldInput] },
  });
  const kept = await putResult(store, {
    ...{ name: 'hello', version: '2', startedAt: daysAgo(40), artifacts: [shared], inputs: [newInput] },
  });
  const wantedAgain = await store.putBytes(Buffer.from('wanted again'));
  await store.appendLog(logStream('dead'), 0, Buffer.alloc(300_000, 'x'));
  await age(place.prefix, 40);
  // It was there: only its touch is new.
  await store.putBytes(Buffer.from('wanted again'));
  const upload = await store.putBytes(Buffer.from('uploaded, not built yet'));

  const collected = await collectGarbage(options(store));
  expect(collected.results).toHaveLength(1);
  expect(collected.logs.map(({ stream }) => stream)).toEqual([logStream('dead')]);
  const left = (await listed(store.listBlobs())).map(({ digest }) => digest);
  expect(left.sort()).toEqual(
    [kept.artifacts[0]?.sha256, kept.lock, kept.log.sha256, newInput, wantedAgain, upload].sort(),
  );
  expect(await listed(store.listRecords('results/'))).toHaveLength(1);
  expect(await listed(store.listLogs())).toEqual([]);
  expect(await collectGarbage(options(store))).toMatchObject({ results: [], blobs: [], logs: [] });
});
