import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');

/** What decides how the disk of a build root comes out, beside its packages and the guest's own programs. */
const FOLDERS = ['activities', 'guest', 'images', 'recipes', 'vm'];

let digest: Promise<string> | undefined;

/**
 * SHA-256 over the code of slipway that lays out build roots: another release makes others, and nobody has to remember to
 * raise a number. Read once for each process.
 */
export function codeDigest(): Promise<string> {
  digest ??= digestOf(FOLDERS.map((folder) => join(ROOT, folder)));
  return digest;
}

async function digestOf(folders: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    for (const file of files.sort()) {
      const content = createHash('sha256')
        .update(await readFile(file))
        .digest('hex');
      hash.update(`${relative(ROOT, file)}\0${content}\n`);
    }
  }
  return hash.digest('hex');
}
