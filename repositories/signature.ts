import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { binaryKeyring } from './keyring.ts';

/** Digests that dpkg-source does not accept in signatures either. */
const WEAK = ['SHA1', 'RIPEMD160', 'MD5'];

/**
 * Checks that a clear-signed text carries a good signature by one of the keyring's keys, none of them expired or
 * revoked; further signatures by unknown keys do not matter, a bad one does.
 * @throws SlipwayFailure InputRejected; HostUnfit where gpgv is missing
 */
export async function verifySignature(
  text: Uint8Array,
  keyring: Uint8Array,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-gpgv-'));
  try {
    await writeFile(join(folder, 'keyring.gpg'), binaryKeyring(keyring, 'the keyring of the recipe'));
    await writeFile(join(folder, 'signed'), text);
    const status = await gpgv(folder, signal);
    const good = status.has('GOODSIG') && status.has('VALIDSIG') && !status.has('BADSIG');
    if (!good) throw new SlipwayFailure('InputRejected', `${what} ${complaint(status)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Status words of gpgv with their first argument, the key. */
async function gpgv(folder: string, signal: AbortSignal): Promise<Map<string, string>> {
  try {
    const { stdout } = await run(
      [
        'gpgv',
        '--status-fd',
        '1',
        '--homedir',
        folder,
        ...WEAK.flatMap((digest) => ['--weak-digest', digest]),
        '--keyring',
        join(folder, 'keyring.gpg'),
        join(folder, 'signed'),
      ],
      { signal, accept: [1, 2], timeout: 60_000 },
    );
    const words = [...stdout.matchAll(/^\[GNUPG:\] (\w+)(?: (\S+))?/gm)];
    return new Map(words.map(([, word = '', key = '']) => [word, key]));
  } catch (error) {
    if (error instanceof CommandFailed && error.code === 'ENOENT') {
      throw new SlipwayFailure('HostUnfit', 'gpgv is not installed (Debian package gpgv)', { cause: error });
    }
    throw error;
  }
}

function complaint(status: Map<string, string>): string {
  const cases: [word: string, text: string][] = [
    ['BADSIG', 'was changed after it was signed: bad signature of key'],
    ['EXPKEYSIG', 'is signed by an expired key:'],
    ['REVKEYSIG', 'is signed by a revoked key:'],
    ['EXPSIG', 'has an expired signature of key'],
    ['NO_PUBKEY', 'is signed by a key that the keyring does not have:'],
    ['ERRSIG', 'has a signature that cannot be checked, of key'],
  ];
  const found = cases.find(([word]) => status.has(word));
  return found === undefined
    ? 'carries no signature that can be checked'
    : `${found[1]} ${status.get(found[0])}`;
}
