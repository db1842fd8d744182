import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';

export interface S3Place {
  bucket: string;
  /** Begins all keys, without `/` at its end. Default: none. */
  prefix?: string | undefined;
  /** Of a server that is not AWS. Default: what AWS's standard settings say. */
  endpoint?: string | undefined;
  /** Default: what AWS's standard settings say; with an endpoint `us-east-1`. */
  region?: string | undefined;
  /** `<endpoint>/<bucket>` instead of `<bucket>.<endpoint>`. Default: true with an endpoint. */
  forcePathStyle?: boolean | undefined;
}

export interface S3ConnectionOptions {
  /** Default: AWS's standard chain (environment, profile, role of the machine). */
  credentials?: S3ClientConfig['credentials'];
  /** Attempts of one request. Default 5. */
  attempts?: number;
  /** Milliseconds without a byte, then a connection is given up. Default 60 s. */
  stallMs?: number;
  /** `http_proxy` and the like. Default: the environment of this process. */
  proxies?: Readonly<Record<string, string | undefined>>;
}

export interface S3Connection {
  client: S3Client;
  /** For what the server works at in silence: putting a large object together. */
  patient: S3Client;
  bucket: string;
  /** Empty, or with `/` at its end. */
  prefix: string;
  /** `s3://bucket/prefix` */
  location: string;
}

const CONNECT_MS = 10_000;
const PATIENCE_MS = 900_000;

export function connectToS3(place: S3Place, options: S3ConnectionOptions = {}): S3Connection {
  const { bucket, prefix, endpoint } = place;
  const region =
    place.region ??
    (endpoint === undefined
      ? undefined
      : (process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1'));
  const settings: S3ClientConfig = {
    maxAttempts: options.attempts ?? 5,
    // The digest of the whole is checked; a checksum of the transfer would add nothing.
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(place.forcePathStyle === undefined && endpoint === undefined
      ? {}
      : { forcePathStyle: place.forcePathStyle ?? true }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  };
  const withPatience = (ms: number) =>
    new S3Client({ ...settings, requestHandler: handler(ms, options.proxies ?? process.env) });
  return {
    client: withPatience(options.stallMs ?? 60_000),
    patient: withPatience(PATIENCE_MS),
    bucket,
    prefix: prefix === undefined ? '' : `${prefix}/`,
    location: `s3://${bucket}${prefix === undefined ? '' : `/${prefix}`}`,
  };
}

/** The SDK knows no proxies by itself; Node's agents do. */
function handler(socketTimeout: number, proxies: Readonly<Record<string, string | undefined>>) {
  const agent = { keepAlive: true, maxSockets: 50, proxyEnv: { ...proxies } };
  return {
    connectionTimeout: CONNECT_MS,
    socketTimeout,
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent(agent),
  };
}
