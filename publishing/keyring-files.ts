import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../host/atomic-file.ts';
import type { SigningKey } from './signing-key.ts';

/** Writes the public key beside the repository: `keyring.gpg` and `keyring.asc`, for `Signed-By`. Returns the first. */
export async function writeKeyring(root: string, key: SigningKey | undefined): Promise<string | undefined> {
  const paths = { binary: join(root, 'keyring.gpg'), armored: join(root, 'keyring.asc') };
  if (key === undefined) {
    for (const path of Object.values(paths)) await rm(path, { force: true });
    return undefined;
  }
  const { binary, armored } = await key.publicKey();
  await writeFileAtomic(paths.binary, binary);
  await writeFileAtomic(paths.armored, armored);
  return paths.binary;
}
