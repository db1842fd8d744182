import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ignoreMissing, syncFolder } from '../host/atomic-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** The file at the root that says what this folder is. */
const MARKER = 'slipway-store';
const MARKER_TEXT = 'format 1\n';
const DAY = 86_400_000;

/** The root of a directory store: recognized by its marker, with a folder for files that are still being written. */
export interface Root {
  readonly path: string;
  /** A new name for a file that is written aside; on the filesystem of all others, swept when its writer dies. */
  temporary(): string;
  /** Makes a folder below the root, durably. */
  makeFolder(folder: string): Promise<void>;
  /**
   * What is missing was never there only as long as the store itself is: an unmounted one has no file at all.
   * @throws SlipwayFailure StoreUnavailable
   */
  confirm(): Promise<void>;
}

/**
 * Opens the root, which exists; makes a new store of an empty folder.
 * @throws SlipwayFailure StoreUnavailable where it is something else
 */
export async function openRoot(path: string): Promise<Root> {
  await recognize(path);
  const aside = join(path, 'tmp');
  await sweep(aside).catch(ignoreReadOnly);
  return {
    path,
    temporary: () => join(aside, randomUUID()),
    confirm: () => confirm(path),
    makeFolder: async (folder) => {
      await confirm(path);
      await makeFolder(folder);
    },
  };
}

async function recognize(path: string): Promise<void> {
  // The entries first: a store that is being made gets its marker before anything else.
  const foreign = (await readdir(path)).filter((name) => name !== 'lost+found' && !name.startsWith(MARKER));
  if ((await readMarker(path)) === undefined) {
    if (foreign.length > 0) {
      throw unavailable(`${path} is no store of slipway: it has files (${foreign[0]}, …) but no ${MARKER}`, {
        advice: 'Name the folder of a store, or an empty folder for a new one.',
      });
    }
    await writeMarker(path);
  }
  await confirm(path);
}

async function confirm(path: string): Promise<void> {
  const found = await readMarker(path);
  if (found === MARKER_TEXT) return;
  if (found === undefined) {
    throw unavailable(`${path} is no store of slipway any more: its ${MARKER} is gone`, {
      advice: 'Check that the store is mounted.',
    });
  }
  throw unavailable(`${join(path, MARKER)} says ${JSON.stringify(found.trim())}, only "format 1" is known`, {
    advice: 'Use the version of slipway that made this store, or another folder.',
  });
}

async function readMarker(path: string): Promise<string | undefined> {
  return readFile(join(path, MARKER), 'utf8').catch(ignoreMissing);
}

/** Atomic, and harmless where another process makes the same store at the same time. */
async function writeMarker(path: string): Promise<void> {
  const temporary = join(path, `${MARKER}.${randomUUID()}`);
  await writeDurably(temporary, Buffer.from(MARKER_TEXT));
  try {
    await link(temporary, join(path, MARKER));
  } catch (error) {
    ignoreExisting(error as NodeJS.ErrnoException);
  } finally {
    await unlink(temporary);
  }
  await syncFolder(path);
}

/** Makes the folder of unfinished files, and deletes what nobody has written to for a day: its writer is dead. */
async function sweep(aside: string): Promise<void> {
  // Not recursive: a root that went away in the meantime does not come back empty.
  await mkdir(aside).catch(ignoreExisting);
  for (const name of await readdir(aside)) {
    const path = join(aside, name);
    const found = await stat(path).catch(ignoreMissing);
    if (found !== undefined && Date.now() - found.mtimeMs > DAY) await unlink(path).catch(ignoreMissing);
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

/** Who may only read the store opens it too. */
function ignoreReadOnly(error: NodeJS.ErrnoException): void {
  if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code ?? '')) throw error;
}

/** Writes a new file that is complete on the disk when this returns, for anyone to read and nobody to change. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx', 0o444);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

function unavailable(message: string, more: { advice: string }): SlipwayFailure {
  return new SlipwayFailure('StoreUnavailable', message, more);
}
