import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { checkServices } from '../../client/doctor/services.ts';
import { createS3Store } from '../../stores/s3.ts';
import type { S3ConnectionOptions, S3Place } from '../../stores/s3-connection.ts';
import { loadConfiguration } from '../../workers/configuration.ts';
import { BUCKET, CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { type S3Stub, type StubAnswer, startS3Stub } from '../support/s3-stub.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server?.[Symbol.asyncDispose]());

function open(place: S3Place, options: S3ConnectionOptions = {}) {
  return createS3Store(place, { credentials: CREDENTIALS, attempts: 2, ...options });
}

function unavailable(message: RegExp, advice: RegExp) {
  return {
    type: 'StoreUnavailable',
    message: expect.stringMatching(message),
    more: { advice: expect.stringMatching(advice) },
  };
}

async function stubWith(answer: Parameters<typeof startS3Stub>[0]): Promise<S3Stub> {
  const stub = await startS3Stub(answer);
  onTestFinished(() => stub[Symbol.asyncDispose]());
  return stub;
}

describe('a real server', () => {
  test('does not know the key', async () => {
    const credentials = { ...CREDENTIALS, accessKeyId: 'nobody' };
    await expect(open(server.place(), { credentials }).readRecord('r')).rejects.toMatchObject(
      unavailable(/s3:\/\/builds\/test\/\d+ refuses our credentials: \w+, /, /AWS_ACCESS_KEY_ID/),
    );
  });

  test('knows another secret', async () => {
    const credentials = { ...CREDENTIALS, secretAccessKey: 'wrong' };
    await expect(open(server.place(), { credentials }).publish('r', new Uint8Array())).rejects.toMatchObject(
      unavailable(/refuses our credentials: SignatureDoesNotMatch/, /AWS_SECRET_ACCESS_KEY/),
    );
  });

  test('has no such bucket, whatever is asked for first', async () => {
    const store = open({ ...server.place(), bucket: 'no-such-bucket' });
    const expected = unavailable(/has no such bucket: NoSuchBucket/, /slipway makes none/);
    await expect(store.readRecord('r')).rejects.toMatchObject(expected);
    await expect(store.blobSize('0'.repeat(64))).rejects.toMatchObject(expected);
    await expect(store.putBytes(new Uint8Array())).rejects.toMatchObject(expected);
    await expect(store.logSize('l')).rejects.toMatchObject(expected);
    await expect(store.listBlobs()[Symbol.asyncIterator]().next()).rejects.toMatchObject(expected);
  });

  test('is of another region', async () => {
    const place = { ...server.place(), region: 'eu-central-1' };
    await expect(open(place).readRecord('r')).rejects.toMatchObject(
      unavailable(/is in another region.*AuthorizationHeaderMalformed/, /store\.s3\.region/),
    );
  });

  test('has something else at that prefix', async () => {
    const place = server.place();
    const Key = `${place.prefix}/holiday/1.jpg`;
    await server.client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x' }));
    await expect(open(place).putBytes(new Uint8Array())).rejects.toMatchObject(
      unavailable(/is no store of slipway: it has objects \(holiday\/1\.jpg, …\)/, /store\.s3\.prefix/),
    );
  });

  test('has a store of another format there', async () => {
    const place = server.place();
    const Key = `${place.prefix}/slipway-store`;
    await server.client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'format 2\n' }));
    await expect(open(place).readRecord('r')).rejects.toMatchObject(
      unavailable(/says "format 2", only "format 1" is known/, /version of slipway/),
    );
  });

  test('lost the store while it was open: it is unavailable, not empty', async () => {
    const place = server.place();
    const store = open(place);
    const digest = await store.putBytes(Buffer.from('x'));
    for (const Key of ['slipway-store', `blobs/${digest.slice(0, 2)}/${digest}`]) {
      await server.client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: `${place.prefix}/${Key}` }));
    }
    const expected = unavailable(/is no store of slipway any more/, /who deletes there/);
    await expect(store.readRecord('r')).rejects.toMatchObject(expected);
    await expect(store.readBytes(digest)).rejects.toMatchObject(expected);
    await expect(store.blobSize(digest)).rejects.toMatchObject(expected);
    await expect(store.logSize('l')).rejects.toMatchObject(expected);
    await expect(store.readLog('l', 0)).rejects.toMatchObject(expected);
    await expect(store.listRecords('r/')[Symbol.asyncIterator]().next()).rejects.toMatchObject(expected);
  });
});

test('nobody listens', async () => {
  const place = { bucket: BUCKET, endpoint: 'http://127.0.0.1:9' };
  await expect(open(place).readRecord('r')).rejects.toMatchObject(
    unavailable(/the store s3:\/\/builds cannot be reached: .*ECONNREFUSED/, /store\.s3\.endpoint/),
  );
});

test('no such host', async () => {
  const place = { bucket: BUCKET, endpoint: 'http://s3.invalid' };
  await expect(open(place, { proxies: {} }).readRecord('r')).rejects.toMatchObject(
    unavailable(/cannot be reached: .*(ENOTFOUND|EAI_AGAIN)/, /store\.s3\.endpoint/),
  );
});

describe('AWS settings', () => {
  function withoutSettings(): void {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
    onTestFinished(() => void vi.unstubAllEnvs());
  }

  test('have no credentials', async () => {
    withoutSettings();
    await expect(createS3Store(server.place()).readRecord('r')).rejects.toMatchObject(
      unavailable(
        /needs credentials, and there are none/,
        /AWS_PROFILE.*do not belong into the configuration/,
      ),
    );
  });

  test('have credentials in the environment', async () => {
    withoutSettings();
    vi.stubEnv('AWS_ACCESS_KEY_ID', CREDENTIALS.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', CREDENTIALS.secretAccessKey);
    expect(await createS3Store(server.place()).readRecord('r')).toBeUndefined();
  });

  test('have no region, and there is no endpoint', async () => {
    withoutSettings();
    await expect(open({ bucket: BUCKET }).readRecord('r')).rejects.toMatchObject(
      unavailable(/needs a region/, /store\.s3\.region, or AWS_REGION/),
    );
  });
});

describe('an answer of a server in trouble', () => {
  test.each<[string, StubAnswer, RegExp, RegExp]>([
    [
      'clock',
      { status: 403, code: 'RequestTimeTooSkewed' },
      /says that our clock is wrong: RequestTimeTooSkewed, the server's words, HTTP 403/,
      /NTP/,
    ],
    [
      'redirect',
      { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-central-1' } },
      /is in another region .*PermanentRedirect.*the bucket is in eu-central-1/,
      /store\.s3\.region/,
    ],
    ['denied', { status: 403, code: 'AccessDenied' }, /refuses access: AccessDenied/, /s3:PutObject/],
    ['expired', { status: 400, code: 'ExpiredToken' }, /credentials have expired/, /AWS_SESSION_TOKEN/],
    [
      'unknown key',
      { status: 403, code: 'InvalidAccessKeyId' },
      /refuses our credentials: InvalidAccessKeyId/,
      /AWS_ACCESS_KEY_ID/,
    ],
    [
      'broken',
      { status: 500, code: 'InternalError' },
      /has trouble of its own: InternalError/,
      /log of the S3 server/,
    ],
    ['busy', { status: 503, code: 'SlowDown' }, /is overloaded: SlowDown/, /tried again/],
    ['full', { status: 507, code: 'InsufficientStorage' }, /is full: InsufficientStorage/, /quota/],
    [
      'no S3',
      { status: 200, body: '<html>Console<br></html>' },
      /says "<html>Console<br><\/html>", only "format 1"/,
      /store\.s3\.endpoint/,
    ],
    [
      'no S3 that has no such page',
      { status: 404, body: '<html>Not found<br></html>', headers: { 'content-type': 'text/html' } },
      /does not answer as S3 does: /,
      /store\.s3\.endpoint/,
    ],
    [
      'no S3 that wants another method',
      { status: 405, body: 'no', headers: { 'content-type': 'text/plain' } },
      /does not answer as S3 does: /,
      /store\.s3\.endpoint/,
    ],
    ['unknown', { status: 418, code: 'Teapot' }, /the store s3:\/\/builds failed: Teapot/, /store|^$/],
  ])('%s', async (_, answer, message, advice) => {
    const { endpoint } = await stubWith(() => answer);
    const failed = open({ bucket: BUCKET, endpoint }).readRecord('r');
    const error = await failed.then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toMatchObject({ type: 'StoreUnavailable', message: expect.stringMatching(message) });
    expect(error.details().advice).toMatch(advice);
    // Neither key nor secret is shown around.
    expect(JSON.stringify(error.details())).not.toContain(CREDENTIALS.secretAccessKey);
  });

  test('HEAD has no words: its status says enough', async () => {
    const { endpoint } = await stubWith(({ method }) =>
      method === 'HEAD' ? { status: 403 } : { status: 200, body: 'format 1\n' },
    );
    await expect(open({ bucket: BUCKET, endpoint }).blobSize('0'.repeat(64))).rejects.toMatchObject(
      unavailable(/refuses access: .*HTTP 403/, /s3:ListBucket/),
    );
  });

  test('none at all', async () => {
    const { endpoint } = await stubWith(() => ({ status: 200, headers: { 'content-length': '9' } }));
    await expect(open({ bucket: BUCKET, endpoint }, { stallMs: 200 }).readRecord('r')).rejects.toMatchObject(
      unavailable(/does not answer in time|cannot be reached/, /.../),
    );
  });

  test.each([
    ['If-None-Match', ({ headers }: { headers: object }) => 'if-none-match' in headers],
    ['If-Match', ({ headers }: { headers: object }) => 'if-match' in headers],
  ])(
    'a write although %s does not hold: found out before anything depends on it',
    async (header, ignored) => {
      const stub = await stubWith((request) => {
        const { method, url = '', headers } = request;
        if (url.includes('list-type')) return { status: 200, body: '<ListBucketResult></ListBucketResult>' };
        if (method === 'GET') return { status: 200, body: 'format 1\n' };
        const isConditional = 'if-match' in headers || 'if-none-match' in headers;
        return isConditional && !ignored(request)
          ? { status: 412, code: 'PreconditionFailed' }
          : { status: 200, headers: { etag: '"e"' } };
      });
      const store = open({ bucket: BUCKET, endpoint: stub.endpoint });
      const expected = unavailable(
        new RegExp(`does not do conditional writes: it took one whose ${header} `),
        /Use a server that does/,
      );
      await expect(store.publish('r', new Uint8Array())).rejects.toMatchObject(expected);
      await expect(store.appendLog('l', 0, Buffer.from('x'))).rejects.toMatchObject(expected);
      expect(stub.requests.filter((line) => /record|logs/.test(line))).toEqual([]);
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'x');
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x');
      onTestFinished(() => void vi.unstubAllEnvs());
      const configuration = await loadConfiguration('/dev/null', { SLIPWAY_HOME: '/nonexistent' });
      const s3 = { bucket: BUCKET, endpoint: stub.endpoint };
      const findings = await checkServices({ ...configuration, store: { s3, keepInputs: false } });
      expect(findings.find(({ name }) => name === 'store')).toMatchObject({
        state: 'failed',
        what: expected.message,
        advice: expected.more.advice,
      });
    },
  );
});
