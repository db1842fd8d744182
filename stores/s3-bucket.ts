import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import type { S3Connection } from './s3-connection.ts';

/** Objects that one request may delete. */
const DELETE_AT_ONCE = 1000;
/** Attempts at a write that others disturb. */
const DISTURBED = 8;

/** Write only where there is nothing yet, or only where there still is what was read. */
export type Condition = { IfNoneMatch: '*' } | { IfMatch: string };

export interface Listed {
  /** Without the prefix of the store. */
  path: string;
  /** Bytes. */
  size: number;
  /** By the server's clock, whole seconds. */
  modified: Date;
}

export interface Got {
  body: Readable;
  /** Bytes of the body, which may be a part of the object. */
  length: number;
  etag: string;
  metadata: Readonly<Record<string, string>>;
}

/** The objects of one store: those under its prefix in its bucket. Paths are without the prefix. */
export interface Bucket {
  readonly connection: S3Connection;
  /** Bucket and key of a path, for a command. */
  at(path: string): { Bucket: string; Key: string };
  head(path: string, signal?: AbortSignal): Promise<{ size: number; modified: Date } | undefined>;
  /** Undefined where there is no such object, or nothing of it in the range (as `bytes=0-99`). */
  get(path: string, of?: { range?: string; etag?: string }): Promise<Got | undefined>;
  /** Returns the ETag; undefined where the condition did not hold, as far as this attempt knows. */
  put(
    path: string,
    bytes: Uint8Array,
    of?: { condition?: Condition; metadata?: Record<string, string>; signal?: AbortSignal },
  ): Promise<string | undefined>;
  /** In the order of keys, all pages. */
  list(prefix: string, limit?: number): AsyncGenerator<Listed>;
  /** Idempotent. */
  remove(path: string): Promise<void>;
  removeAll(paths: readonly string[]): Promise<void>;
}

export function createBucket(connection: S3Connection): Bucket {
  const { client, bucket, prefix } = connection;
  const at = (path: string) => ({ Bucket: bucket, Key: `${prefix}${path}` });
  return {
    connection,
    at,
    async head(path, signal) {
      try {
        const { ContentLength = 0, LastModified = new Date(0) } = await client.send(
          new HeadObjectCommand(at(path)),
          withSignal(signal),
        );
        return { size: ContentLength, modified: LastModified };
      } catch (error) {
        return ifStatus(error, [404], undefined);
      }
    },
    async get(path, { range, etag } = {}) {
      try {
        const { Body, ContentLength, ETag, Metadata } = await client.send(
          new GetObjectCommand({
            ...at(path),
            ...(range === undefined ? {} : { Range: range }),
            ...(etag === undefined ? {} : { IfMatch: etag }),
          }),
        );
        const body = Body as Readable;
        return { body, length: ContentLength ?? 0, etag: ETag ?? '', metadata: Metadata ?? {} };
      } catch (error) {
        // 404 is also what a bucket says that is not there.
        if (error instanceof NoSuchKey) return undefined;
        return ifStatus(error, [416], undefined);
      }
    },
    async put(path, bytes, { condition, metadata, signal } = {}) {
      const command = new PutObjectCommand({
        ...at(path),
        Body: bytes,
        ContentLength: bytes.length,
        ...condition,
        ...(metadata === undefined ? {} : { Metadata: metadata }),
      });
      try {
        const send = () => client.send(command, withSignal(signal));
        return (await (condition === undefined ? unlessDisturbed(send) : send())).ETag ?? '';
      } catch (error) {
        if (condition === undefined) throw error;
        // 409: somebody else writes it just now; 404: what was to be replaced is gone.
        if ((error as Error).name === 'NoSuchBucket') throw error;
        return ifStatus(error, 'IfMatch' in condition ? [404, 409, 412] : [409, 412], undefined);
      }
    },
    async *list(path, limit) {
      const pages = paginateListObjectsV2(
        { client, ...(limit === undefined ? {} : { pageSize: limit }) },
        { Bucket: bucket, Prefix: `${prefix}${path}` },
      );
      for await (const { Contents = [] } of pages) {
        for (const { Key = '', Size = 0, LastModified = new Date(0) } of Contents) {
          yield { path: Key.slice(prefix.length), size: Size, modified: LastModified };
        }
      }
    },
    async remove(path) {
      await client
        .send(new DeleteObjectCommand(at(path)))
        .catch((error) => ifStatus(error, [404], undefined));
    },
    async removeAll(paths) {
      for (let from = 0; from < paths.length; from += DELETE_AT_ONCE) {
        const Objects = paths.slice(from, from + DELETE_AT_ONCE).map((path) => ({ Key: at(path).Key }));
        const { Errors = [] } = await client.send(
          new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }),
        );
        const [first] = Errors;
        if (first === undefined) continue;
        throw Object.assign(new Error(`${first.Key}: ${first.Message}`), {
          name: first.Code ?? 'InternalError',
          $metadata: {},
        });
      }
    },
  };
}

/**
 * 409 is "another operation is under way, try again", which the SDK does not. Servers that keep objects as files say so
 * too while they delete the last one beside the new one, and its folder with it.
 */
async function unlessDisturbed<Result>(send: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      if (attempt === DISTURBED) throw error;
      ifStatus(error, [409], undefined);
      await pause(30 * attempt ** 2);
    }
  }
}

/** What the condition, or the absence, is told with; a missing bucket is none of it. */
function ifStatus<Value>(error: unknown, codes: readonly number[], value: Value): Value {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  if (name !== 'NoSuchBucket' && codes.includes($metadata?.httpStatusCode ?? 0)) return value;
  throw error;
}

export function withSignal(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
