import type { BigIntStats } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Digest } from '../schema/digest.ts';

/**
 * Where inputs, results and logs lie. All methods throw SlipwayFailure StoreUnavailable where the store cannot be
 * reached, is full or refuses; they are safe to be repeated, also after "done but reported as failed".
 */
export interface Store {
  /** For messages and links: a path or a URL. */
  readonly location: string;

  /** Puts a file under its digest; where the store has it already nothing is transferred, and it counts as put now.
   * Verified while it is read. `given`: it may become the blob itself where it lies. */
  putFile(path: string, digest: Digest, signal?: AbortSignal, given?: GivenFile): Promise<void>;
  /** Puts bytes and returns their digest. For small things: locks, lists. */
  putBytes(bytes: Uint8Array): Promise<Digest>;
  /** Size in bytes; undefined where it is not there. */
  blobSize(digest: Digest): Promise<number | undefined>;
  /** @throws BlobMissing */
  readBlob(digest: Digest): Promise<Readable>;
  /** Whole blob in memory, verified. @throws BlobMissing; RangeError over `limit` bytes (default 64 MiB) */
  readBytes(digest: Digest, limit?: number): Promise<Uint8Array>;

  /**
   * The commit point: writes a record if there is none of this name, atomically, and returns what is there now.
   * Who comes second gets the first one's bytes. Names: `/`-separated words of letters, digits and `._+~-`.
   */
  publish(name: string, bytes: Uint8Array): Promise<{ first: boolean; bytes: Uint8Array }>;
  /** Undefined where there is none. */
  readRecord(name: string): Promise<Uint8Array | undefined>;
  /** Names of all records under a prefix that ends in `/`, sorted. */
  listRecords(prefix: string): AsyncIterable<string>;
  /** Forgets a record. Idempotent. For retention alone: a result that is published does not change. */
  deleteRecord(name: string): Promise<void>;

  /** All blobs, in no order; some that come or go meanwhile may be missing or there. */
  listBlobs(): AsyncIterable<StoredBlob>;
  /**
   * Forgets a blob, unless it was put, or put again, after `unlessAfter`. Idempotent. Returns whether it is gone. Where
   * the store knows times by whole seconds, what was put in the two seconds before stays too.
   */
  deleteBlob(digest: Digest, unlessAfter: Date): Promise<boolean>;

  /**
   * Appends to a live log. `offset` is where `bytes` belong in it; what is there already is kept (the same log has the
   * same bytes), a hole is refused with a RangeError.
   */
  appendLog(stream: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Bytes of a live log so far; 0 where there is none. */
  logSize(stream: string): Promise<number>;
  /** At most `limit` bytes (default 1 MiB) of a live log from `offset` on. */
  readLog(stream: string, offset: number, limit?: number): Promise<Uint8Array>;
  /** All live logs, in no order. */
  listLogs(): AsyncIterable<{ stream: string; bytes: number; appendedAt: Date }>;
  /** Forgets a live log. Idempotent. */
  deleteLog(stream: string): Promise<void>;
}

/**
 * A file that its owner gives away: from then on nobody writes to it or keeps it open for that, it is only deleted. Its
 * mode and times may change.
 */
export interface GivenFile {
  /** What its owner knows its SHA-256 to be, as long as it is as `stat` says; undefined: it is read to know. */
  digestOf(stat: BigIntStats): Digest | undefined;
}

/** A blob as retention sees it. */
export interface StoredBlob {
  digest: Digest;
  /** Bytes. */
  size: number;
  /** When it was last put, also where it was there already. */
  putAt: Date;
}

/** A blob that the store does not have. */
export class BlobMissing extends Error {
  override readonly name = 'BlobMissing';
  readonly digest: Digest;
  constructor(digest: Digest, location: string) {
    super(`the store ${location} has no blob ${digest}`);
    this.digest = digest;
  }
}
