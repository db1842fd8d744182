import {
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { addPackages } from './fixtures/archive.ts';
import { answers304, filesBelow, published, publishLater, wanted } from './fixtures/later.ts';

test('answers: what was resolved before is not solved again', async () => {
  const made = await published();
  await made.resolve({});
  for (const path of await filesBelow(made.folder, /cache\/(src)?pkgcache\.bin$/)) await rm(path);
  await made.resolve({});
  await expect(filesBelow(made.folder, /pkgcache\.bin$/)).rejects.toThrow('nothing like');
});

const DAMAGES: readonly [what: string, pattern: RegExp, damage: (path: string) => Promise<unknown>][] = [
  ['an answer with another content', /answers\/[0-9a-f]+$/, (path) => replace(path, '1.0', '6.6')],
  ['an answer that is cut', /answers\/[0-9a-f]+$/, (path) => truncate(path, 70)],
  ["apt's caches full of noise", /pkgcache\.bin$/, (path) => noise(path)],
  ["apt's caches cut", /pkgcache\.bin$/, (path) => truncate(path, 5000)],
  ['a list with another content', /sets\/[^/]+\/lists\/.*_Packages$/, (path) => replace(path, '1.0', '6.6')],
  ['a list that is empty', /states\/.*_Packages$/, (path) => truncate(path, 0)],
  ['a list that is gone', /sets\/[^/]+\/lists\/.*_Packages$/, (path) => rm(path)],
  ['a Release file with another content', /_InRelease$/, (path) => replace(path, 'Test', 'Tset')],
  ['half of a download', /_InRelease$/, (path) => halfDownload(path)],
  ['a manifest that is none', /manifest\.json$/, (path) => writeFile(path, '{')],
  ['settings of somebody else', /apt\.conf$/, (path) => appendFile(path, 'Acquire::Check-Date "false";\n')],
  ['sources of somebody else', /slipway\.sources$/, (path) => writeFile(path, '')],
];

test('that is damaged is found and made anew', async () => {
  const made = await published();
  const lock = JSON.stringify(await made.resolve({}));
  for (const [what, pattern, damage] of DAMAGES) {
    for (const path of await filesBelow(join(made.folder, 'apt/sets'), pattern)) await damage(path);
    expect(JSON.stringify(await made.resolve({})), what).toBe(lock);
    // Which was never asked, so that apt itself has to read what is there.
    const options = { profiles: [`p${DAMAGES.findIndex(([each]) => each === what)}`] };
    expect(JSON.stringify(await made.resolve({ options })), what).toBe(lock);
  }
}, 120_000);

test('of a request: a damaged keyring is written again', async () => {
  const made = await published();
  const keyring = await made.put(await made.key.publicKey('binary'));
  const repositories = [{ uris: [made.server.url], suites: ['tiny'], components: ['main'], keyring }];
  await made.resolve({}, { repositories });
  for (const path of await filesBelow(made.folder, /apt\/keyrings\//)) await truncate(path, 10);
  await made.resolve({}, { repositories });
});

test('of an update that was killed between Release file and lists is not taken for the new state', async () => {
  const made = await published();
  await made.resolve({});
  await addPackages(made.archive, [{ Package: 'wanted', Version: '2.0' }]);
  await publishLater(made);
  // All that apt had put into its place then.
  for (const path of await filesBelow(made.folder, /sets\/[^/]+\/lists\/.*_InRelease$/)) {
    await rm(path);
    await copyFile(join(made.archive, 'dists/tiny/InRelease'), path);
  }
  made.server.behaviour = answers304(made);
  expect(wanted(await made.resolve({}))).toBe('2.0');
});

test('old states go, those in use stay', async () => {
  const made = await published();
  await made.resolve({});
  const [old = ''] = await filesBelow(made.folder, /states\/[^/]+\/manifest\.json$/);
  await publishLater(made);
  await made.resolve({});
  expect(await filesBelow(made.folder, /states\/[^/]+\/manifest\.json$/)).toHaveLength(2);
  await utimes(old, 1, 1);
  await publishLater(made, { date: new Date(Date.now() + 2000) });
  await made.resolve({});
  const left = await filesBelow(made.folder, /states\/[^/]+\/manifest\.json$/);
  expect(left).toHaveLength(2);
  expect(left).not.toContain(old);
});

test('of many sets of repositories those used longest ago go', async () => {
  const made = await published();
  const sets = join(made.folder, 'apt/sets');
  const name = (at: number) => join(sets, at.toString(16).padStart(16, '0'));
  for (let at = 0; at < 25; at += 1) {
    await mkdir(name(at), { recursive: true });
    await writeFile(join(name(at), 'status'), '');
    const hours = at < 3 ? 0 : 2 + at;
    const then = new Date(Date.now() - hours * 3_600_000);
    await utimes(join(name(at), 'status'), then, then);
  }
  await made.resolve({});
  const left = await readdir(sets);
  // Of the others and itself.
  expect(left).toHaveLength(21);
  for (const gone of [20, 21, 22, 23, 24]) expect(left).not.toContain(basename(name(gone)));
});

async function replace(path: string, what: string, by: string): Promise<void> {
  await writeFile(path, (await readFile(path, 'utf8')).replaceAll(what, by));
}

async function noise(path: string): Promise<void> {
  const bytes = await readFile(path);
  for (let at = 200; at < bytes.length; at += 97) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
  await writeFile(path, bytes);
}

async function halfDownload(path: string): Promise<void> {
  const partial = join(dirname(path), 'partial', path.slice(dirname(path).length + 1));
  await mkdir(dirname(partial), { recursive: true });
  await writeFile(partial, 'half');
}
