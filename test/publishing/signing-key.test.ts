import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { run } from '../../host/run.ts';
import { openSigningKey } from '../../publishing/signing-key.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A GnuPG home of a user with keys: each a passphrase and what it may be used for. */
async function home(...keys: { passphrase?: string; usage?: string; expires?: string }[]) {
  const folder = await temporaryFolder();
  const gnupg = join(folder, 'g');
  await mkdir(gnupg, { mode: 0o700 });
  const env = { GNUPGHOME: gnupg };
  onTestFinished(async () => {
    await run(['gpgconf', '--kill', 'all'], { env });
  });
  const gpg = ['gpg', '--batch', '--quiet', '--pinentry-mode', 'loopback'] as const;
  for (const [at, { passphrase = '', usage = 'sign', expires = 'never' }] of keys.entries()) {
    const algorithm = usage === 'sign' ? 'ed25519' : 'rsa2048';
    const key = ['--passphrase', passphrase, '--quick-generate-key', `key ${at}`, algorithm, usage, expires];
    await run([...gpg, ...key], { env });
  }
  const file = join(folder, 'secret.asc');
  const { stdout } = await run(
    [...gpg, '--passphrase', keys[0]?.passphrase ?? '', '--armor', '--export-secret-keys'],
    { env },
  );
  await writeFile(file, stdout);
  const listed = await run(['gpg', '--with-colons', '--list-secret-keys'], { env });
  const fingerprints = [...listed.stdout.matchAll(/^fpr:+([0-9A-F]+):$/gm)].map(([, each]) => each ?? '');
  return { folder, gnupg, file, fingerprint: fingerprints[0] ?? '' };
}

async function signs(options: Parameters<typeof openSigningKey>[0]): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'Release'), 'Suite: stable\n');
  await using key = await openSigningKey(options);
  await key.signRelease(folder);
  await writeFile(join(folder, 'keyring'), (await key.publicKey()).binary);
  const gpgv = ['gpgv', '--status-fd', '1', '--keyring', join(folder, 'keyring')] as const;
  expect((await run([...gpgv, join(folder, 'InRelease')])).stdout).toContain(`VALIDSIG ${key.fingerprint}`);
  expect(await readFile(join(folder, 'Release.gpg'), 'utf8')).toContain('BEGIN PGP SIGNATURE');
  return key.fingerprint;
}

test("signs with a key of the user's GnuPG home, by fingerprint, and with a key in a file", async () => {
  const { gnupg, fingerprint, file } = await home({});
  expect(await signs({ key: file })).toBe(fingerprint);
  vi.stubEnv('GNUPGHOME', gnupg);
  expect(await signs({ key: fingerprint })).toBe(fingerprint);
  expect(await signs({ key: `0x${fingerprint.slice(-16).toLowerCase()}` })).toBe(fingerprint);
});

test('nothing of a key is left behind', async () => {
  const { file } = await home({});
  vi.stubEnv('TMPDIR', await mkdtemp('/tmp/t'));
  const temporary = tmpdir();
  onTestFinished(() => rm(temporary, { recursive: true }));
  await (await openSigningKey({ key: file }))[Symbol.asyncDispose]();
  await expect(openSigningKey({ key: join(file, '../g/pubring.kbx') })).rejects.toThrow();
  expect(await readdir(temporary)).toEqual([]);
});

test('what a killed process has left of a key goes with the next, and nothing of others', async () => {
  const { file } = await home({});
  vi.stubEnv('TMPDIR', await mkdtemp('/tmp/t'));
  const temporary = tmpdir();
  onTestFinished(() => rm(temporary, { recursive: true }));
  const dead = 'slipway-gpg-4194399-abcdef';
  const others = ['slipway-gpg-4194399-ghijkl', `slipway-gpg-${process.pid}-abcdef`, 'slipway-gpg-x'];
  const old = new Date(Date.now() - 3_600_000);
  for (const name of [dead, ...others]) await mkdir(join(temporary, name), { mode: 0o700 });
  for (const name of [dead, others[1] ?? '']) await utimes(join(temporary, name), old, old);
  await (await openSigningKey({ key: file }))[Symbol.asyncDispose]();
  expect((await readdir(temporary)).sort()).toEqual(others.sort());
});

test('a passphrase comes from a file, and its lack is said', async () => {
  const { folder, file, gnupg, fingerprint } = await home({ passphrase: 'open sesame' });
  const passphraseFile = join(folder, 'passphrase');
  await writeFile(passphraseFile, 'open sesame\n');
  expect(await signs({ key: file, passphraseFile })).toBe(fingerprint);
  await expect(signs({ key: file })).rejects.toMatchObject({
    type: 'InvalidRequest',
    message: expect.stringContaining('protected by a passphrase'),
    more: { advice: expect.stringContaining('--passphrase-file') },
  });
  await run(['gpgconf', '--kill', 'all'], { env: { GNUPGHOME: gnupg } });
  vi.stubEnv('GNUPGHOME', gnupg);
  expect(await signs({ key: fingerprint, passphraseFile })).toBe(fingerprint);
});

test('a wrong passphrase, and a file that cannot be read, are said as what they are', async () => {
  const { folder, file, gnupg, fingerprint } = await home({ passphrase: 'open sesame' });
  await run(['gpgconf', '--kill', 'all'], { env: { GNUPGHOME: gnupg } });
  const passphraseFile = join(folder, 'passphrase');
  vi.stubEnv('GNUPGHOME', gnupg);
  for (const wrong of ['open barley\n', '\n', '']) {
    await writeFile(passphraseFile, wrong);
    for (const key of [file, fingerprint]) {
      await expect(signs({ key, passphraseFile }), `${wrong} ${key}`).rejects.toMatchObject({
        type: 'InvalidRequest',
        message: `the passphrase in ${passphraseFile} does not open the key ${fingerprint}`,
        more: { advice: expect.stringContaining('first line') },
      });
    }
  }
  for (const path of [join(folder, 'nosuch'), folder]) {
    await expect(signs({ key: file, passphraseFile: path })).rejects.toMatchObject({
      type: 'InvalidRequest',
      message: expect.stringContaining(`the passphrase file ${path} cannot be read`),
      more: { advice: expect.stringContaining('--passphrase-file') },
    });
  }
});

test.each([
  ['more than one key', [{}, {}], 'is more than one secret key'],
  ['a key that only encrypts', [{ usage: 'auth' }], 'cannot sign'],
  ['an expired key', [{ expires: 'seconds=1' }], 'has expired'],
])('%s is refused', async (_, keys, said) => {
  const { file } = await home(...keys);
  if (said.includes('expired')) await new Promise((settle) => setTimeout(settle, 2100));
  await expect(signs({ key: file })).rejects.toMatchObject({
    type: 'InvalidRequest',
    message: expect.stringContaining(said),
  });
});
