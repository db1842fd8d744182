import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing, writeFileAtomic } from '../host/atomic-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';

const BLOCK = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g;

/**
 * A keyring as gpgv reads it: binary. Armored ones are decoded (RFC 9580, 6.2), several blocks in one file joined.
 * @throws SlipwayFailure InputRejected where it is neither
 */
export function binaryKeyring(bytes: Uint8Array, what: string): Buffer {
  const buffer = Buffer.from(bytes);
  // The first octet of a packet has its highest bit set; no text does.
  if (((buffer[0] ?? 0) & 0x80) !== 0) return buffer;
  const blocks = [...buffer.toString('latin1').matchAll(BLOCK)].map((match) => decode(match[1] ?? ''));
  if (blocks.length === 0 || blocks.some((block) => block.length === 0)) {
    throw new SlipwayFailure('InputRejected', `${what} is no OpenPGP keyring, neither binary nor armored`);
  }
  return Buffer.concat(blocks);
}

/** Headers, an empty line, base64, and a checksum line that begins with `=`. */
function decode(armor: string): Buffer {
  const body = armor.split(/\r?\n[ \t]*\r?\n/).at(-1) ?? '';
  const base64 = body.split(/\r?\n/).filter((line) => !line.startsWith('='));
  return Buffer.from(base64.join(''), 'base64');
}

/** Writes a keyring into a folder under its digest and returns its path, which ends in `.gpg` as apt wants it. */
export async function keepKeyring(folder: string, bytes: Uint8Array, what: string): Promise<string> {
  const keyring = binaryKeyring(bytes, what);
  const path = join(folder, `${createHash('sha256').update(keyring).digest('hex')}.gpg`);
  await mkdir(folder, { recursive: true });
  const there = await readFile(path).catch(ignoreMissing);
  if (there === undefined || !keyring.equals(there)) await writeFileAtomic(path, keyring);
  return path;
}
