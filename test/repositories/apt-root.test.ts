import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { aptSources } from '../../repositories/apt-repository.ts';
import { createAptRoot } from '../../repositories/apt-root.ts';
import { updateLists } from '../../repositories/apt-update.ts';
import { publish } from './fixtures/archive.ts';
import { DIRECT, setting } from './fixtures/setting.ts';

async function configured(directory: string, name: string): Promise<string> {
  const root = await createAptRoot({ directory, architecture: 'amd64', proxies: DIRECT });
  return (await root.run(['apt-config', 'dump', '--format', '%v%n', name])).stdout.trim();
}

test('does not take over what the machine switched off, nor its preferences and hooks', async () => {
  const { folder } = await setting();
  const directory = join(folder, 'root');
  for (const [name, value] of [
    ['Acquire::Check-Valid-Until', 'true'],
    ['Acquire::Check-Date', 'true'],
    ['Acquire::AllowInsecureRepositories', 'false'],
    ['APT::Install-Recommends', 'false'],
    ['APT::Update::Post-Invoke', ''],
    ['DPkg::Post-Invoke', ''],
  ] as const) {
    expect(await configured(directory, name)).toBe(value);
  }
});

test('passes the proxies of the machine to apt', async () => {
  const { folder } = await setting();
  const proxies = { apt: ['Acquire::http::Proxy "http://proxy:3128";'], environment: {} };
  const root = await createAptRoot({ directory: join(folder, 'root'), architecture: 'amd64', proxies });
  const { stdout } = await root.run(['apt-config', 'dump', '--format', '%v%n', 'Acquire::http::Proxy']);
  expect(stdout).toBe('http://proxy:3128\n');
});

test('fetches as _apt where that user can reach its folder, else as root; both work', async () => {
  const { archive, folder, key, repository } = await setting();
  await mkdir(join(archive, 'pool'));
  await publish(archive, { key });
  const keyring = await key.publicKey('binary');
  const directory = join(folder, 'root');
  const sources = aptSources([{ ...repository, keyrings: [keyring] }]);
  for (const [mode, user] of [
    [0o700, 'root'],
    [0o755, '_apt'],
    [0o700, 'root'],
  ] as const) {
    await chmod(folder, mode);
    const root = await createAptRoot({ directory, architecture: 'amd64', proxies: DIRECT, sources });
    const { stdout } = await root.run(['apt-config', 'dump', '--format', '%v%n', 'APT::Sandbox::User']);
    expect(stdout.trim()).toBe(user);
    await updateLists(root);
  }
});
