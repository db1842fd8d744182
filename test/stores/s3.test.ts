import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { createS3Store } from '../../stores/s3.ts';
import { storeContract } from '../contracts/store.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server?.[Symbol.asyncDispose]());

storeContract('s3', async () => {
  const place = server.place();
  const open = () => createS3Store(place, { credentials: CREDENTIALS });
  return {
    store: open(),
    reopen: open,
    damage: (digest) =>
      writeFile(join(server.folder, place.prefix, 'blobs', digest.slice(0, 2), digest), 'PRECIOUS'),
    // The server knows times by whole seconds.
    timeStep: 2100,
    cleanup: async () => {},
  };
});
