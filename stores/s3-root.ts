import { buffer } from 'node:stream/consumers';
import { SlipwayFailure } from '../schema/failures.ts';
import { type Bucket, createBucket } from './s3-bucket.ts';
import type { S3Connection } from './s3-connection.ts';

/** The object that says what lies under this prefix. */
const MARKER = 'slipway-store';
const MARKER_TEXT = 'format 1\n';

/** The objects of a store that was recognized by its marker. */
export interface S3Root extends Bucket {
  readonly location: string;
  /**
   * What is missing was never there only as long as the store itself is.
   * @throws SlipwayFailure StoreUnavailable
   */
  confirm(): Promise<void>;
  /**
   * Before the first conditional write: there are servers that take the condition and ignore it.
   * @throws SlipwayFailure StoreUnavailable
   */
  prove(): Promise<void>;
}

/**
 * Opens the store; makes a new one of a prefix without objects.
 * @throws SlipwayFailure StoreUnavailable where something else lies there
 */
export async function openS3Root(connection: S3Connection): Promise<S3Root> {
  const bucket = createBucket(connection);
  const { location } = connection;
  await recognize(bucket, location);
  let proving: Promise<void> | undefined;
  return {
    ...bucket,
    location,
    confirm: () => confirm(bucket, location),
    prove: () => {
      proving ??= prove(bucket, location).catch((error) => {
        proving = undefined;
        throw error;
      });
      return proving;
    },
  };
}

async function recognize(bucket: Bucket, location: string): Promise<void> {
  if ((await readMarker(bucket)) === undefined) {
    for await (const { path } of bucket.list('', 1)) {
      // Somebody else makes the same store at the same time: its marker comes first.
      if (path === MARKER) break;
      throw new SlipwayFailure(
        'StoreUnavailable',
        `${location} is no store of slipway: it has objects (${path}, …) but no ${MARKER}`,
        {
          advice: 'Name the bucket and prefix of a store, or a prefix (store.s3.prefix) without any object.',
        },
      );
    }
    await bucket.put(MARKER, Buffer.from(MARKER_TEXT), { condition: { IfNoneMatch: '*' } });
  }
  await confirm(bucket, location);
}

async function confirm(bucket: Bucket, location: string): Promise<void> {
  const found = await readMarker(bucket);
  if (found === MARKER_TEXT) return;
  if (found === undefined) {
    throw new SlipwayFailure(
      'StoreUnavailable',
      `${location} is no store of slipway any more: its ${MARKER} is gone`,
      {
        advice: 'Check store.s3.bucket and store.s3.prefix, and who deletes there.',
      },
    );
  }
  throw new SlipwayFailure(
    'StoreUnavailable',
    `${MARKER} of ${location} says ${JSON.stringify(found.slice(0, 100).trim())}, only "format 1" is known`,
    {
      advice: /^format \d+\n$/.test(found)
        ? 'Use the version of slipway that made this store, or another prefix.'
        : 'Check store.s3.endpoint: what answers there may be no S3.',
    },
  );
}

/** Both writes must be refused; a server that does them anyway writes what is there already. */
async function prove(bucket: Bucket, location: string): Promise<void> {
  const marker = Buffer.from(MARKER_TEXT);
  const conditions = [{ IfNoneMatch: '*' }, { IfMatch: `"${'0'.repeat(32)}"` }] as const;
  for (const condition of conditions) {
    if ((await bucket.put(MARKER, marker, { condition })) === undefined) continue;
    const header = 'IfMatch' in condition ? 'If-Match' : 'If-None-Match';
    throw new SlipwayFailure(
      'StoreUnavailable',
      `the S3 server of ${location} does not do conditional writes: it took one whose ${header} did not hold`,
      { advice: 'Use a server that does (AWS S3 does), or a newer version of it: see docs/adr/0016-*.' },
    );
  }
}

async function readMarker(bucket: Bucket): Promise<string | undefined> {
  const found = await bucket.get(MARKER);
  return found === undefined ? undefined : (await buffer(found.body)).toString();
}
