import { access, constants, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { createGnupgHome, deleteGnupgHome } from './gnupg-home.ts';

export interface SigningKeyOptions {
  /** Fingerprint (or its last 16 digits or more) of a key in the user's GnuPG home, or path of a file with a secret key. */
  key: string;
  /** File whose first line is the passphrase; absent: the key has none, or the user's own agent asks for it. */
  passphraseFile?: string;
  signal?: AbortSignal;
}

/** A secret OpenPGP key that can sign. Disposing ends what was started for it. */
export interface SigningKey extends AsyncDisposable {
  /** 40 hexadecimal digits or more, upper case. */
  readonly fingerprint: string;
  /** Writes `InRelease` and `Release.gpg` beside a Release file. */
  signRelease(folder: string): Promise<void>;
  /** The public key, binary and armored. */
  publicKey(): Promise<{ binary: Buffer; armored: Buffer }>;
}

/**
 * Opens the key that signs a repository.
 * @throws SlipwayFailure InvalidRequest where there is no such key or it cannot sign; HostUnfit where gpg is missing
 */
export async function openSigningKey(options: SigningKeyOptions): Promise<SigningKey> {
  const { key, passphraseFile, signal } = options;
  const isFile = (await stat(key).catch(() => undefined))?.isFile() ?? false;
  if (!isFile && !/^(0x)?[0-9A-Fa-f]{16,64}$/.test(key)) {
    throw refused(`${key} is neither a file nor the fingerprint of a key`);
  }
  if (passphraseFile !== undefined) await checkReadable(passphraseFile);
  const own = await createGnupgHome();
  const env = isFile ? { GNUPGHOME: own } : usersEnvironment();
  const passphrase = passphraseFile === undefined ? [] : ['--passphrase-file', resolve(passphraseFile)];
  // A key from a file that has no passphrase is used without anybody to ask; the user's agent may ask the user.
  const silent = isFile || passphraseFile !== undefined ? ['--pinentry-mode', 'loopback'] : [];
  const none = isFile && passphraseFile === undefined ? ['--passphrase', ''] : passphrase;
  const gpg = (...args: string[]) =>
    run(['gpg', '--batch', '--no-tty', '--yes', '--quiet', ...silent, ...none, ...args], {
      env,
      ...(signal === undefined ? {} : { signal }),
    });
  const dispose = () => deleteGnupgHome(own);
  try {
    if (isFile) await gpg('--import', resolve(key));
    const listed = await gpg('--with-colons', '--list-secret-keys', ...(isFile ? [] : [key]));
    const fingerprint = usableKey(listed.stdout, key);
    return {
      fingerprint,
      signRelease: (folder) => signRelease(gpg, { ...options, key: fingerprint }, folder),
      publicKey: async () => {
        await gpg('--output', join(own, 'public'), '--export', fingerprint);
        await gpg('--armor', '--output', join(own, 'public.asc'), '--export', fingerprint);
        return {
          binary: await readFile(join(own, 'public')),
          armored: await readFile(join(own, 'public.asc')),
        };
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose().catch(() => undefined);
    throw explained(error, options);
  }
}

/** What gpg needs to find the user's keys, and the agent the user. */
function usersEnvironment(): Record<string, string> {
  const names = ['GNUPGHOME', 'HOME', 'GPG_TTY', 'TERM', 'DISPLAY', 'WAYLAND_DISPLAY', 'XDG_RUNTIME_DIR'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The fingerprint of the only secret key in a listing of gpg (`DETAILS`, colon format). */
function usableKey(listing: string, key: string): string {
  const lines = listing.split('\n').map((line) => line.split(':'));
  const keys = lines.flatMap((fields, at) => {
    if (fields[0] !== 'sec') return [];
    const fingerprint = lines.slice(at).find(([type]) => type === 'fpr')?.[9] ?? '';
    return [{ validity: fields[1] ?? '', capabilities: fields[11] ?? '', fingerprint }];
  });
  const [found, ...others] = keys;
  if (found === undefined) throw refused(`${key} holds no secret key`);
  if (others.length > 0) {
    const all = keys.map(({ fingerprint }) => fingerprint).join(', ');
    throw refused(`${key} is more than one secret key: ${all}`);
  }
  if (found.validity === 'e') throw refused(`the key ${found.fingerprint} has expired`);
  if (found.validity === 'r') throw refused(`the key ${found.fingerprint} is revoked`);
  if (!found.capabilities.includes('S')) throw refused(`the key ${found.fingerprint} cannot sign`);
  return found.fingerprint;
}

async function signRelease(
  gpg: (...args: string[]) => Promise<unknown>,
  options: SigningKeyOptions,
  folder: string,
): Promise<void> {
  const as = ['--local-user', options.key, '--digest-algo', 'SHA512'];
  const release = join(folder, 'Release');
  try {
    await gpg(...as, '--output', join(folder, 'InRelease'), '--clear-sign', release);
    await gpg(...as, '--armor', '--output', join(folder, 'Release.gpg'), '--detach-sign', release);
  } catch (error) {
    throw explained(error, options);
  }
}

/** Not read: what it holds is nobody's but gpg's. */
async function checkReadable(passphraseFile: string): Promise<void> {
  const path = resolve(passphraseFile);
  const problem = await access(path, constants.R_OK)
    .then(async () => ((await stat(path)).isDirectory() ? 'it is a folder' : undefined))
    .catch((error: NodeJS.ErrnoException) => error.message);
  if (problem === undefined) return;
  throw new SlipwayFailure('InvalidRequest', `the passphrase file ${path} cannot be read: ${problem}`, {
    advice: 'Name a file that you may read and whose first line is the passphrase: --passphrase-file <file>.',
  });
}

function explained(error: unknown, { key, passphraseFile }: SigningKeyOptions): unknown {
  if (!(error instanceof CommandFailed)) return error;
  if (error.code === 'ENOENT') {
    return new SlipwayFailure('HostUnfit', `${error.argv[0]} is not installed`, {
      advice: 'Install the Debian packages gpg and gpg-agent (scripts/setup does).',
      cause: error,
    });
  }
  if (/no secret key|not found|no valid OpenPGP/i.test(error.stderr))
    return refused(`there is no secret key ${key}`);
  if (passphraseFile !== undefined && /passphrase/i.test(error.stderr)) {
    const message = `the passphrase in ${resolve(passphraseFile)} does not open the key ${key}`;
    return new SlipwayFailure('InvalidRequest', message, {
      advice: 'The first line of the file must be the passphrase of this key, and nothing else.',
      cause: error,
    });
  }
  if (/passphrase|pinentry|Inappropriate ioctl|No such device/i.test(error.stderr)) {
    return new SlipwayFailure('InvalidRequest', `the key ${key} is protected by a passphrase`, {
      advice: 'Name a file that holds it: --passphrase-file <file>.',
      cause: error,
    });
  }
  return new SlipwayFailure('InvalidRequest', `gpg cannot use the key ${key}: ${error.stderr.trim()}`, {
    advice: 'Try it by hand: gpg --list-secret-keys.',
    cause: error,
  });
}

function refused(message: string): SlipwayFailure {
  return new SlipwayFailure('InvalidRequest', message, {
    advice:
      'Name a key of gpg --list-secret-keys by its fingerprint, or a file made by gpg --export-secret-keys.',
  });
}
