import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Place } from '../../stores/s3-connection.ts';
import { CODE } from '../../workers/configuration.ts';

export const CREDENTIALS = { accessKeyId: 'slipway-test', secretAccessKey: 'slipway-test-secret' };
export const BUCKET = 'builds';
const START_MS = 20_000;

/** A real S3 server on loopback, whose objects are files; with one bucket, `builds`. */
export interface S3Server extends AsyncDisposable {
  endpoint: string;
  /** Where the objects lie: `<folder>/<key>`. */
  folder: string;
  /** A place of its own for each test. */
  place(): S3Place & { prefix: string };
  client: S3Client;
  /** Ends the server; objects stay. */
  stop(): Promise<void>;
  /** Starts it again, at the same place. */
  start(): Promise<void>;
}

let prefixes = 0;

export async function startS3Server(): Promise<S3Server> {
  const executable = await findServer();
  const root = await mkdtemp(join(tmpdir(), 'slipway-s3-'));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
    maxAttempts: 1,
  });
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const { accessKeyId, secretAccessKey } = CREDENTIALS;
    await mkdir(join(root, 'objects'), { recursive: true });
    // The death signal: it never outlives the tests.
    child = spawn(
      'setpriv',
      [
        '--pdeathsig',
        'KILL',
        executable,
        '--quiet',
        '--port',
        `127.0.0.1:${port}`,
        'posix',
        join(root, 'objects'),
      ],
      {
        stdio: 'ignore',
        env: {
          PATH: process.env.PATH,
          HOME: root,
          ROOT_ACCESS_KEY: accessKeyId,
          ROOT_SECRET_KEY: secretAccessKey,
        },
      },
    );
    await answering(client, child);
  }

  async function stop(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  await start();
  return {
    endpoint,
    folder: join(root, 'objects', BUCKET),
    place: () => {
      prefixes += 1;
      return { bucket: BUCKET, prefix: `test/${prefixes}`, endpoint };
    },
    client,
    start,
    stop,
    async [Symbol.asyncDispose]() {
      client.destroy();
      await stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function answering(client: S3Client, child: ChildProcess): Promise<void> {
  for (const began = performance.now(); ; ) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
      return;
    } catch (error) {
      if (/^BucketAlready/.test((error as Error).name)) return;
      if (performance.now() - began > START_MS || child.exitCode !== null) throw error;
      await pause(50);
    }
  }
}

async function findServer(): Promise<string> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(CODE, '.slipway', 'bin')];
  for (const folder of folders.filter((each) => each !== '')) {
    const candidate = join(folder, 'versitygw');
    if (
      await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  throw new Error('There is no S3 server for the tests: run SLIPWAY_SETUP=test scripts/setup.');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
