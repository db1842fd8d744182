import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { binaryKeyring, keepKeyring } from '../../repositories/keyring.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createSigningKey } from './fixtures/signing-key.ts';

async function keys(): Promise<{ folder: string; binary: Buffer; armored: Buffer }> {
  const folder = await temporaryFolder();
  const key = await createSigningKey(folder, 'one');
  onTestFinished(() => key[Symbol.asyncDispose]());
  return {
    folder,
    binary: await readFile(await key.publicKey('binary')),
    armored: await readFile(await key.publicKey('armored')),
  };
}

describe('a keyring', () => {
  test('is the same bytes, armored or not; also with line ends of Windows, headers, and several in one', async () => {
    const { binary, armored } = await keys();
    const text = armored.toString();
    expect(binaryKeyring(binary, 'k')).toEqual(binary);
    expect(binaryKeyring(armored, 'k')).toEqual(binary);
    expect(binaryKeyring(Buffer.from(text.replaceAll('\n', '\r\n')), 'k')).toEqual(binary);
    expect(binaryKeyring(Buffer.from(text.replace('-----\n', '-----\nComment: x\n')), 'k')).toEqual(binary);
    expect(binaryKeyring(Buffer.from(`# two\n${text}\n${text}`), 'k')).toEqual(
      Buffer.concat([binary, binary]),
    );
  });

  test.each(['', 'no key', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n'])(
    'that is none is rejected: %j',
    (text) => {
      expect(() => binaryKeyring(Buffer.from(text), 'the keyring x')).toThrow(
        /the keyring x is no OpenPGP keyring/,
      );
    },
  );

  test('is kept once, under its digest', async () => {
    const { folder, binary, armored } = await keys();
    const kept = join(folder, 'kept');
    const path = await keepKeyring(kept, armored, 'k');
    expect(await keepKeyring(kept, binary, 'k')).toBe(path);
    expect(await readdir(kept)).toHaveLength(1);
    expect(await readFile(path)).toEqual(binary);
  });
});
