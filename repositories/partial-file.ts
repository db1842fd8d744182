import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';

/**
 * Partial downloads: `<sha256>` while nobody works on it, `<sha256>.<pid>.<start time>.<n>` while that process does.
 * Who wants to go on with one takes it by a rename, which only one can win, so that no two write into the same file.
 * Whatever else goes wrong, the digest of the whole decides.
 */
export interface PartialFile {
  readonly path: string;
  /** Leaves it for the next attempt. */
  release(): Promise<void>;
}

let counter = 0;

/** Takes an existing partial download of this digest, else a name for a new one. */
export async function takePartial(folder: string, sha256: string): Promise<PartialFile> {
  counter += 1;
  const own = counter;
  const path = join(folder, `${sha256}.${process.pid}.${await startTime(process.pid)}.${own}`);
  for (const name of await readdir(folder)) {
    if (name !== sha256 && !(name.startsWith(`${sha256}.`) && (await abandoned(name)))) continue;
    if (await renamed(join(folder, name), path)) break;
  }
  return {
    path,
    async release() {
      await renamed(path, join(folder, sha256));
    },
  };
}

/** Bytes; 0 where it is missing. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(ignoreMissing))?.size ?? 0;
}

/** SHA-256 of a file's content; undefined where it is missing. */
export async function digestOf(path: string, signal?: AbortSignal): Promise<string | undefined> {
  try {
    return await new GrowingDigest().of(path, signal);
  } catch (error) {
    signal?.throwIfAborted();
    return ignoreMissing(error);
  }
}

/** SHA-256 of a file that is being written, computed on the way; what it did not see written it reads. */
export class GrowingDigest {
  #hash = createHash('sha256');
  #bytes = 0;

  /** These bytes are now at `position` of the file. */
  add(position: number, chunk: Uint8Array): void {
    if (position === 0) this.#reset();
    if (position !== this.#bytes) return;
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  /** Digest of the file as it is. @throws ENOENT */
  async of(path: string, signal?: AbortSignal): Promise<string> {
    const { size } = await stat(path);
    if (size < this.#bytes) this.#reset();
    if (size > this.#bytes) {
      const stream = createReadStream(path, {
        start: this.#bytes,
        highWaterMark: 1 << 20,
        ...(signal === undefined ? {} : { signal }),
      });
      for await (const chunk of stream) {
        this.#hash.update(chunk as Buffer);
        this.#bytes += (chunk as Buffer).length;
      }
    }
    return this.#hash.copy().digest('hex');
  }

  #reset(): void {
    this.#hash = createHash('sha256');
    this.#bytes = 0;
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

/** Whether the process that a partial download is named after has ended. */
async function abandoned(name: string): Promise<boolean> {
  const [, pid, start] = name.split('.');
  return (await startTime(Number(pid))) !== start;
}

/** Start of a process in clock ticks since boot: tells it from a later one of the same id. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(ignoreGone);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** A process that ends while it is read about: ESRCH. */
function ignoreGone(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ESRCH') ignoreMissing(error);
}
