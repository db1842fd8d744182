import { constants, type FileHandle, lstat, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CorruptFile, ignoreMissing } from '../../host/atomic-file.ts';
import type { StepContext } from '../../host/progress.ts';
import { asScratchFull } from '../../host/scratch-full.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { lookAtDisk, type RawDisk } from '../raw-disk.ts';
import { copyVerified, DamagedRoot, emptyFile, reflink, verify } from './copy-root.ts';
import { eachChunk, Unreadable, writeAll } from './each-chunk.ts';
import { changing } from './entries.ts';
import { DISK, type Manifest, readManifest } from './manifest.ts';

interface Of {
  directory: string;
  key: string;
  disk: string;
  warn(message: string): void;
}

interface Copied {
  bytes: number;
  way: 'reflink' | 'copy';
}

/**
 * Lays a kept root on a disk; undefined where there is none, also where it is deleted just now. One that does not hold
 * what was kept is deleted, and the disk is empty again.
 * @throws SlipwayFailure HostUnfit, ScratchFull
 */
export async function copyKept(of: Of, context: StepContext): Promise<Copied | undefined> {
  const path = join(of.directory, of.key);
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  await using folder = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch(ignoreMissing);
  if (folder === undefined) return undefined;
  // One and the same root throughout, also where it is deleted and another is kept under its name meanwhile.
  const inside = `/proc/self/fd/${folder.fd}`;
  try {
    const manifest = await readManifest(inside, of.key);
    await using source = await open(join(inside, DISK), O_RDONLY | O_NOFOLLOW).catch(asDamaged);
    if (manifest === undefined || source === undefined) {
      if (await isInPlace(path, folder)) throw new DamagedRoot('a file of it is missing');
      return undefined;
    }
    const target = await lookAtDisk(of.disk);
    refuseOtherSize(target, manifest, of);
    const now = new Date();
    await folder.utimes(now, now);
    return await copy(source, target, manifest, context);
  } catch (error) {
    const isDamaged = [DamagedRoot, Unreadable, CorruptFile].some((kind) => error instanceof kind);
    if (!isDamaged) throw error;
    of.warn(`the kept build root ${path} is damaged and deleted: ${(error as Error).message}`);
    await changing(of.directory, async ({ remove }) => {
      if (await isInPlace(path, folder)) await remove(path);
    });
    return undefined;
  }
}

async function copy(
  source: FileHandle,
  target: RawDisk,
  manifest: Manifest,
  context: StepContext,
): Promise<Copied> {
  const isFile = target.state !== 'device';
  try {
    // Open already, so that it is there also where it is deleted by now.
    const shared = isFile && (await reflink(`/proc/self/fd/${source.fd}`, target.path));
    if (isFile && !shared) await emptyFile(target.path, target.bytes);
    await using disk = await open(target.path, constants.O_RDWR | constants.O_NOFOLLOW);
    if (isFile) await disk.chmod(0o600);
    if (shared) await verify(disk, manifest, context);
    else await copyVerified(source, disk, manifest, context);
    const last = manifest.diskBytes - (manifest.chunks.at(-1)?.at ?? 0) * manifest.chunkBytes;
    const short = Math.max(0, manifest.chunkBytes - last);
    const bytes = Math.max(0, manifest.chunks.length * manifest.chunkBytes - short);
    return { bytes, way: shared ? 'reflink' : 'copy' };
  } catch (error) {
    if (error instanceof DamagedRoot || error instanceof Unreadable)
      await emptyAgain(target, manifest, context);
    throw asScratchFull(error, dirname(target.path));
  }
}

/** Of a device only what was copied onto it can be anything but zeros: it was all zeros before. */
async function emptyAgain(target: RawDisk, manifest: Manifest, { signal }: StepContext): Promise<void> {
  if (target.state !== 'device') return emptyFile(target.path, target.bytes);
  await using disk = await open(target.path, 'r+');
  const chunks = manifest.chunks.map(({ at }) => at);
  await eachChunk({ disk, bytes: manifest.diskBytes, chunks, signal }, (chunk, data) =>
    writeAll(disk, data.fill(0), chunk * manifest.chunkBytes),
  );
}

function asDamaged(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ELOOP') throw new DamagedRoot('its disk is a symlink');
  ignoreMissing(error);
}

async function isInPlace(path: string, folder: FileHandle): Promise<boolean> {
  return (await lstat(path).catch(ignoreMissing))?.ino === (await folder.stat()).ino;
}

function refuseOtherSize({ bytes }: RawDisk, { diskBytes }: Manifest, { key, disk }: Of): void {
  if (bytes === diskBytes) return;
  throw new SlipwayFailure(
    'HostUnfit',
    `the kept build root ${key} is of a disk of ${diskBytes} bytes, ${disk} has ${bytes}`,
    { advice: 'Its key must tell the sizes of disks apart; delete what is kept: the folder build-roots.' },
  );
}
