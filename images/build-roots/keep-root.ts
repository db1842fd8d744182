import { chmod, constants, type FileHandle, mkdir, open, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../../host/atomic-file.ts';
import { withFileLock } from '../../host/file-lock.ts';
import type { StepContext } from '../../host/progress.ts';
import { asScratchFull } from '../../host/scratch-full.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { lookAtDisk } from '../raw-disk.ts';
import type { AboutRoot, Kept } from './build-roots.ts';
import { digestChunks, emptyFile, reflink } from './copy-root.ts';
import { dataChunks } from './data-chunks.ts';
import { CHUNK } from './each-chunk.ts';
import { type Changes, changing, keptRoot, newAside, sweep, WRITER_LOCK } from './entries.ts';
import type { Makers } from './makers.ts';
import { DISK, writeManifest } from './manifest.ts';
import { type RoomLimits, roomFor } from './room.ts';

interface Of {
  key: string;
  lease: string;
  disk: string;
  about: AboutRoot;
}

interface Source extends AsyncDisposable {
  path: string;
  bytes: number;
  disk: FileHandle;
  /** That may hold data. */
  chunks: number[];
}

const NOT_THE_MAKER = 'it is not this lease any more that makes it';

/** Keeps roots: written aside, complete and durable, then renamed into place. */
export class KeepRoot {
  readonly #options: RoomLimits & { directory: string };
  readonly #makers: Makers;

  constructor(options: RoomLimits & { directory: string }, makers: Makers) {
    this.#options = options;
    this.#makers = makers;
  }

  async keep(of: Of, context: StepContext): Promise<Kept> {
    const { directory } = this.#options;
    const there = await keptRoot(join(directory, of.key));
    if (there !== undefined) return this.#alreadyKept(of, there.bytes);
    if (!(await this.#makers.isMaker(of.key, of.lease))) return { kept: false, why: NOT_THE_MAKER };
    try {
      await using source = await openSource(of.disk, context.signal);
      const why = await changing(directory, (changes) => this.#makeRoom(source, changes), context.signal);
      if (why !== undefined) return await this.#refuse(of, why);
      return await this.#writeAside((aside) => this.#write(aside, source, of, context));
    } catch (error) {
      const typed = asScratchFull(error, directory);
      if (!(typed instanceof SlipwayFailure && typed.type === 'ScratchFull')) throw error;
      return this.#refuse(of, typed.message);
    }
  }

  async #makeRoom({ chunks }: Source, changes: Changes): Promise<string | undefined> {
    const { directory } = this.#options;
    await sweep(directory, changes);
    return roomFor(directory, { bytes: chunks.length * CHUNK }, this.#options, changes);
  }

  /** Runs `work` on a new folder, locked for as long, so that nobody takes it for one that a killed process has left. */
  async #writeAside(work: (aside: string) => Promise<Kept>): Promise<Kept> {
    const { directory } = this.#options;
    const aside = newAside(directory);
    const locked = Promise.withResolvers<void>();
    const written = await changing(directory, async () => {
      await mkdir(aside, { mode: 0o700 });
      const promise = withFileLock(join(aside, WRITER_LOCK), 10, async () => {
        locked.resolve();
        return work(aside);
      });
      await Promise.race([locked.promise, promise]);
      return { promise };
    });
    try {
      return await written.promise;
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  }

  async #write(aside: string, source: Source, of: Of, context: StepContext): Promise<Kept> {
    const path = join(aside, DISK);
    const chunks = await fill(path, source, context);
    const { key, about } = of;
    const what = about.what.slice(0, 500);
    await writeManifest(aside, {
      key,
      what,
      madeAt: new Date().toISOString(),
      diskBytes: source.bytes,
      chunks,
    });
    const why = await changing(
      this.#options.directory,
      (changes) => this.#commit(aside, of, changes),
      context.signal,
    );
    if (why !== undefined) return why === NOT_THE_MAKER ? { kept: false, why } : this.#refuse(of, why);
    const bytes = (await keptRoot(join(this.#options.directory, key)))?.bytes ?? chunks.length * CHUNK;
    return { kept: true, bytes };
  }

  /** @returns why it is not kept */
  async #commit(aside: string, { key, lease }: Of, changes: Changes): Promise<string | undefined> {
    const { directory } = this.#options;
    const place = join(directory, key);
    if ((await keptRoot(place)) === undefined) {
      // A guest may have written on the disk since: what was read is worth nothing.
      if (!(await this.#makers.isMaker(key, lease))) return NOT_THE_MAKER;
      const bytes = (await keptRoot(aside))?.bytes ?? 0;
      const why = await roomFor(directory, { bytes, written: bytes }, this.#options, changes);
      if (why !== undefined) return why;
      await unlink(join(aside, WRITER_LOCK));
      await rename(aside, place);
      await syncFolder(directory);
    }
    await this.#makers.remove(key);
    return undefined;
  }

  async #alreadyKept({ key, lease }: Of, bytes: number): Promise<Kept> {
    if (await this.#makers.isMaker(key, lease)) {
      await changing(this.#options.directory, () => this.#makers.remove(key));
    }
    return { kept: true, bytes };
  }

  /** Nobody waits for it in vain then. */
  async #refuse({ key, lease }: Of, why: string): Promise<Kept> {
    await changing(this.#options.directory, async () => {
      if (await this.#makers.isMaker(key, lease)) await this.#makers.write(key, lease, why);
    });
    return { kept: false, why };
  }
}

async function openSource(path: string, signal: AbortSignal): Promise<Source> {
  const { path: real, bytes } = await lookAtDisk(path);
  const disk = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const chunks = await dataChunks(disk, bytes, signal);
    return { path: real, bytes, disk, chunks, [Symbol.asyncDispose]: () => disk.close() };
  } catch (error) {
    await disk.close();
    throw error;
  }
}

/** Writes the disk of a kept root, durable when it returns; its chunks with their digests. */
async function fill(path: string, source: Source, context: StepContext) {
  const isFile = (await source.disk.stat()).isFile();
  if (isFile && (await reflink(source.path, path))) {
    await using disk = await open(path, 'r+');
    // What was just shared, not what its owner may write by now.
    const chunks = await digestChunks({ ...source, disk }, undefined, context);
    await disk.sync();
    await chmod(path, 0o400);
    return chunks;
  }
  await emptyFile(path, source.bytes);
  await using target = await open(path, 'r+');
  const chunks = await digestChunks(source, target, context);
  await target.sync();
  await target.chmod(0o400);
  return chunks;
}
