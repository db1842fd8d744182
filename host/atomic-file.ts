import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** A file of ours that does not hold what it should: damaged, or of another version. */
export class CorruptFile extends Error {
  override readonly name = 'CorruptFile';
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path} is damaged: ${problem}`);
    this.path = path;
  }
}

/**
 * Writes a whole file so that a reader, also after a crash, finds either what was there before or all of `data`.
 * Durable when it returns. Writers of one path do not wait for each other: the last one wins.
 *
 * @param options.mode permissions, whatever the umask; default 0644
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${randomUUID()}`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(data);
      await handle.chmod(options.mode ?? 0o644);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(ignoreMissing);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** What the names of files begin with that `writeFileAtomic` leaves where its process is killed. */
export const TEMPORARY_PREFIX = '.atomic-';

/** Makes the entries of a folder durable: a new or renamed file is only safe once its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Reads a file of JSON that must fit the schema; undefined where there is none.
 * @throws CorruptFile where it is not JSON or does not fit
 */
export async function readJson<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    ignoreMissing(error);
    return undefined;
  }
  const parsed = schema.safeParse(parse(path, text));
  if (!parsed.success) throw new CorruptFile(path, z.prettifyError(parsed.error));
  return parsed.data;
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CorruptFile(path, `not JSON (${(error as Error).message})`);
  }
}

/** For `catch`: what is not there need not be there; anything else is thrown on. */
export function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
