import { expect, test } from 'vitest';
import {
  addPackages,
  addSource,
  BASIC_PACKAGES,
  publish as publishArchive,
} from '../repositories/fixtures/archive.ts';
import { setting } from '../repositories/fixtures/setting.ts';
import { publishing } from './fixtures/publishing.ts';

test('the next build resolves packages and sources out of it, verified with its keyring', async () => {
  const { into, publish, built, builtSource, server } = await publishing();
  await publish([await built({ package: 'libours', version: '2.0' }), await builtSource('ours', '3.0')]);
  const archive = await setting();
  await addPackages(archive.archive, BASIC_PACKAGES);
  await addSource(archive.archive, {
    name: 'tiny',
    version: '1.0',
    fields: { 'Build-Depends': 'libours (>= 2)' },
  });
  await publishArchive(archive.archive, { key: archive.key });
  await expect(archive.resolve({})).rejects.toMatchObject({ type: 'UnresolvableDependencies' });

  const repositories = [
    {
      uris: [archive.server.url],
      suites: ['tiny'],
      components: ['main'],
      keyring: await archive.put(await archive.key.publicKey('binary')),
    },
    {
      uris: [server.url],
      suites: ['stable'],
      components: ['main'],
      keyring: await archive.put(`${into}/keyring.asc`),
    },
  ];
  const lock = await archive.resolve({}, { repositories });
  expect(lock.dependencies).toMatchObject([
    {
      package: 'libours',
      version: '2.0',
      urls: [`${server.url}/pool/main/libo/libours/libours_2.0_amd64.deb`],
    },
  ]);
  const ours = await archive.resolve({ source: { name: 'ours' } }, { repositories });
  expect(ours.source).toMatchObject({ name: 'ours', version: '3.0', dsc: 'ours_3.0.dsc' });

  const [first, second] = repositories;
  const wrong = [first, { ...second, keyring: first?.keyring }] as typeof repositories;
  await expect(archive.resolve({}, { repositories: wrong })).rejects.toMatchObject({ type: 'InputRejected' });
});
