import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

let digest: Promise<string> | undefined;

/**
 * SHA-256 over the code of this folder: what another release has remembered does not answer for this one, and nobody has
 * to raise a number. Read once for each process.
 */
export function ownCode(): Promise<string> {
  digest ??= digestOf(import.meta.dirname);
  return digest;
}

async function digestOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.ts')).sort()) {
    hash.update(`${name}\0`).update(await readFile(join(folder, name)));
  }
  return hash.digest('hex');
}
