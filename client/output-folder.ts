import { access, constants, readdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UsageError } from './exit-codes.ts';

/**
 * Refuses a folder that has something in it or cannot be written, before the build and not after it. Without a folder:
 * the current one, where the default is made.
 */
export async function checkOutput(folder: string | undefined): Promise<void> {
  if (folder === undefined) return checkWritable(resolve());
  const names = await entriesOf(folder);
  if (names.length === 0) return checkWritable(resolve(folder));
  throw new UsageError(
    `The output folder ${resolve(folder)} is not empty.`,
    'Name another one with --output; nothing is ever overwritten.',
  );
}

/** `<package>_<version>` in the current folder, with `-2`, `-3`, … where that is taken. Versions lose their epoch. */
export async function defaultOutput(what: { name: string; version: string }): Promise<string> {
  const base = resolve(`${what.name}_${what.version.replace(/^\d+:/, '')}`);
  for (let number = 1; ; number++) {
    const folder = number === 1 ? base : `${base}-${number}`;
    if ((await entriesOf(folder)).length === 0) return folder;
  }
}

/** Whether something can be made in a folder, or in the nearest one above it that is there. */
async function checkWritable(folder: string): Promise<void> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(folder) !== folder) return checkWritable(dirname(folder));
    throw new UsageError(
      `The results cannot be written into ${folder}: ${message}`,
      'Name a folder that you may write with --output, or start the build with --detach.',
    );
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') return [folder];
    throw new UsageError(`The output folder ${folder} cannot be used: ${message}`);
  }
}
