import { hash } from 'node:crypto';
import { constants, copyFile, type FileHandle, open } from 'node:fs/promises';
import type { StepContext } from '../../host/progress.ts';
import { createSparseFile } from '../sparse-file.ts';
import { dataChunks, isZero } from './data-chunks.ts';
import { CHUNK, eachChunk, writeAll } from './each-chunk.ts';
import type { Manifest } from './manifest.ts';

const MIB = 1024 ** 2;

/** A kept root does not hold what was kept. */
export class DamagedRoot extends Error {
  override readonly name = 'DamagedRoot';
}

/**
 * Makes `target` a file that shares its blocks with `source`, where the filesystem can do that. Otherwise there is no
 * `target` afterwards, whatever was there before.
 */
export async function reflink(source: string, target: string): Promise<boolean> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS'].includes(code)) return false;
    throw error;
  }
}

/** An empty sparse file in the place of whatever is there. */
export async function emptyFile(path: string, bytes: number): Promise<void> {
  await createSparseFile(path, Math.floor(bytes / MIB));
  if (bytes % MIB === 0) return;
  await using file = await open(path, 'r+');
  await file.truncate(bytes);
}

/**
 * Copies the chunks of a manifest onto a disk that is all zeros; no byte is written that was not verified.
 * @throws DamagedRoot, Unreadable: the disk holds a part of it then; errors of writing
 */
export async function copyVerified(
  source: FileHandle,
  target: FileHandle,
  manifest: Manifest,
  context: StepContext,
): Promise<void> {
  await eachVerified(source, manifest, context, (at, data) => writeAll(target, data, at));
}

/**
 * Verifies all of a disk that claims to be the one of a manifest, with what lies beside the chunks.
 * @throws DamagedRoot, Unreadable
 */
export async function verify(disk: FileHandle, manifest: Manifest, context: StepContext): Promise<void> {
  const { size } = await disk.stat();
  if (size !== manifest.diskBytes) throw new DamagedRoot(`its disk has ${size} bytes`);
  await eachVerified(disk, manifest, context, async () => undefined);
  const known = new Set(manifest.chunks.map(({ at }) => at));
  const others = (await dataChunks(disk, size, context.signal)).filter((chunk) => !known.has(chunk));
  await eachChunk({ disk, bytes: size, chunks: others, signal: context.signal }, async (chunk, data) => {
    if (!isZero(data)) throw new DamagedRoot(`the ${MIB} bytes at ${chunk * CHUNK} should be zeros`);
  });
}

async function eachVerified(
  disk: FileHandle,
  { chunks, diskBytes }: Manifest,
  { signal, report }: StepContext,
  work: (at: number, data: Buffer) => Promise<void>,
): Promise<void> {
  const digests = new Map(chunks.map(({ at, sha256 }) => [at, sha256]));
  const count = progress('copies the kept build root', chunks.length, report);
  await eachChunk({ disk, bytes: diskBytes, chunks: [...digests.keys()], signal }, async (chunk, data) => {
    if (hash('sha256', data) !== digests.get(chunk)) {
      throw new DamagedRoot(`the ${data.length} bytes at ${chunk * CHUNK} are others than were kept`);
    }
    await work(chunk * CHUNK, data);
    count();
  });
}

/**
 * Digests of the chunks of a disk that are not all zeros, ascending; copied to `target` in the same pass where there is
 * one.
 */
export async function digestChunks(
  { disk, bytes, chunks }: { disk: FileHandle; bytes: number; chunks: readonly number[] },
  target: FileHandle | undefined,
  { signal, report }: StepContext,
): Promise<Manifest['chunks']> {
  const found: Manifest['chunks'] = [];
  const count = progress('keeps the build root', chunks.length, report);
  await eachChunk({ disk, bytes, chunks, signal }, async (at, data) => {
    count();
    if (isZero(data)) return;
    found.push({ at, sha256: hash('sha256', data) });
    if (target !== undefined) await writeAll(target, data, at * CHUNK);
  });
  return found.sort((a, b) => a.at - b.at);
}

function progress(what: string, chunks: number, report: StepContext['report']): () => void {
  let done = 0;
  return () => report({ what, done: ++done * CHUNK, total: chunks * CHUNK, unit: 'bytes' });
}
