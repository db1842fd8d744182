import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fetchArtifacts, logName } from '../../client/fetch-artifacts.ts';
import type { Artifact, BuildResult } from '../../schema/result.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import type { Store } from '../../stores/store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let folder: string;
let store: Store;
let artifacts: Artifact[];

beforeEach(async () => {
  folder = join(await temporaryFolder(), 'out');
  store = createDirectoryStore({ directory: await temporaryFolder() });
  artifacts = [
    { path: 'sub', kind: 'directory', size: 0, executable: false },
    await file('sub/näme, with spaces', 'one'),
    { ...(await file('tool', 'two')), executable: true },
    { path: 'link', kind: 'symlink', size: 0, target: 'tool', executable: false },
  ];
});

async function file(path: string, content: string): Promise<Artifact> {
  const sha256 = await store.putBytes(Buffer.from(content));
  return { path, kind: 'file', size: content.length, sha256, executable: false };
}

describe('fetchArtifacts', () => {
  it('writes files, folders and links, and leaves nothing else', async () => {
    const fetched = await fetchArtifacts(store, artifacts, folder);
    expect(fetched.map(({ file }) => file)).toEqual(artifacts.map(({ path }) => join(folder, path)));
    expect((await readdir(folder, { recursive: true })).sort()).toEqual([
      'link',
      'sub',
      'sub/näme, with spaces',
      'tool',
    ]);
    expect(await readFile(join(folder, 'sub', 'näme, with spaces'), 'utf8')).toBe('one');
    expect((await stat(join(folder, 'tool'))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(folder, 'link'))).toBe('tool');
  });

  it('fetches only what is named, and says what there is where a name is unknown', async () => {
    await fetchArtifacts(store, artifacts, folder, ['tool']);
    expect(await readdir(folder)).toEqual(['tool']);
    await expect(fetchArtifacts(store, artifacts, folder, ['tol'])).rejects.toMatchObject({
      type: 'InvalidRequest',
      more: { items: ['tol'], advice: expect.stringContaining('tool') },
    });
  });

  it('says so where there is no artifact at all', async () => {
    await expect(fetchArtifacts(store, [], folder, ['tool'])).rejects.toMatchObject({
      more: { items: ['tool'], advice: expect.stringMatching(/^It has none at all/) },
    });
  });

  it('goes on where an earlier call was interrupted', async () => {
    await fetchArtifacts(store, artifacts, folder, ['tool']);
    const before = await stat(join(folder, 'tool'));
    await fetchArtifacts(store, artifacts, folder);
    expect((await stat(join(folder, 'tool'))).ino).toBe(before.ino);
    expect(await readFile(join(folder, 'sub', 'näme, with spaces'), 'utf8')).toBe('one');
  });

  it.each([
    ['another file', (path: string) => writeFile(path, 'TWO')],
    ['a folder', (path: string) => mkdir(path)],
  ])('never replaces %s, and then writes nothing at all', async (_what, make) => {
    await mkdir(folder);
    await make(join(folder, 'tool'));
    await expect(fetchArtifacts(store, artifacts, folder)).rejects.toThrow('exists and is something else');
    expect(await readdir(folder)).toEqual(['tool']);
  });

  it('refuses a copy in the store that is corrupt, under no name', async () => {
    const [, , tool] = artifacts;
    const digest = createHash('sha256').update('two').digest('hex');
    expect(tool?.sha256).toBe(digest);
    const blobs = await readdir(store.location, { recursive: true });
    const blob = blobs.find((path) => path.endsWith(digest)) ?? '';
    await writeFile(join(store.location, blob), 'TWO');
    await expect(fetchArtifacts(store, artifacts, folder, ['tool'])).rejects.toThrow();
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['../x', '/etc/x', 'a/../../x', 'a//x'])('refuses the path %s of a forged result', async (path) => {
    await expect(fetchArtifacts(store, [await file(path, 'x')], folder)).rejects.toMatchObject({
      type: 'InputRejected',
    });
  });
});

it.each([
  [[], 'tool_1-1.log'],
  [['tool_1-1.log'], 'tool_1-1.slipway.log'],
  [['tool_1-1.log', 'tool_1-1.slipway.log'], 'tool_1-1.slipway-2.log'],
])('the log gets a name beside the artifacts %j', (paths, expected) => {
  const named = paths.map((path): Artifact => ({ path, kind: 'file', size: 0, executable: false }));
  const result = { package: { name: 'tool', version: '2:1-1' }, artifacts: named } as unknown as BuildResult;
  expect(logName(result)).toBe(expected);
});
