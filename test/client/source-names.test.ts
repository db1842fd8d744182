import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { checkedRequest } from '../../client/client.ts';
import { sourceFrom } from '../../client/sources.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { preinstallHere } from '../recipes/debian/build-root/preinstall-here.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What a .dsc lists cannot have spaces; its own name can. */
const DSC = 'my tiny, “ünï” — 源_1.dsc';
const TARBALL = "tiny,ünï-源'$(x)%20_1.tar.gz";

it('odd names of source files go through upload and request into the tree as they are, owned by the builder', async () => {
  const folder = await temporaryFolder();
  const content = { [TARBALL]: 'upstream', [DSC]: '' };
  const digest = createHash('sha256').update('upstream').digest('hex');
  content[DSC] =
    `Format: 3.0 (native)\nSource: tiny\nVersion: 1\nChecksums-Sha256:\n ${digest} 8 ${TARBALL}\n`;
  await mkdir(join(folder, 'up'));
  for (const [name, text] of Object.entries(content)) await writeFile(join(folder, 'up', name), text);

  const store = createDirectoryStore({ directory: await temporaryFolder() });
  const source = await sourceFrom(join(folder, 'up', DSC), store);
  checkedRequest({ recipe: { kind: 'debian', source } });
  const files = 'files' in source ? source.files : [];
  expect(files.map(({ name }) => name).sort()).toEqual(Object.keys(content).sort());

  const sources: { path: string; name: string }[] = [];
  for (const { name, sha256 } of files) {
    const path = join(folder, sha256);
    await pipeline(await store.readBlob(sha256), createWriteStream(path));
    sources.push({ path, name });
  }
  const { tree } = await preinstallHere(folder, [], { sources });
  const laid = join(tree, 'build/reproducible-path');
  expect((await readdir(laid)).sort()).toEqual(Object.keys(content).sort());
  for (const [name, text] of Object.entries(content)) {
    expect(await readFile(join(laid, name), 'utf8')).toBe(text);
    const { uid, gid } = await lstat(join(laid, name));
    expect([uid, gid]).toEqual([1000, 1000]);
  }
});
