import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type DatabaseFile, databaseOf, type UnpackedPackage } from './database.ts';
import type { Extractor } from './extractor.ts';
import { handInName } from './hand-in.ts';
import { isBaseFiles } from './layout.ts';
import type { PackageInput } from './package-control.ts';
import { ready } from './package-queue.ts';
import { DEFERRED_PACKAGES } from './skeleton.ts';
import { filling, type TarFields, tarHeader } from './tar-format.ts';
import type { Tree } from './tree.ts';
import { asFailure } from './unpack-package.ts';
import type { UnpackedTree } from './unpack-packages.ts';
import { placeOf, type Unpacked } from './unpacked.ts';
import { usersOf } from './users.ts';

/**
 * Writes what remains when all packages are unpacked: dpkg's database, the users, the packages for dpkg itself; folders
 * get mode, owner and time of the first package that ships them, as with dpkg. All of it with the tree as root folder: a
 * package may have shipped /var/lib as a link to a folder of the host.
 */
export async function finishTree(tree: Tree, finish: UnpackedTree, signal: AbortSignal): Promise<void> {
  const extractor = tree.extractor(signal);
  try {
    await writeFolders(extractor, ['/var/lib/dpkg/info', '/var/lib/dpkg/triggers']);
    for (const file of databaseOf(finish.unpacked.map(asOwned), finish.deferred))
      await writeFile(extractor, file);
    for (const file of await usersOf(tree, finish.unpacked, signal)) await writeFile(extractor, file);
    if (finish.deferred.length > 0) await writeFolders(extractor, [DEFERRED_PACKAGES]);
    for (const file of finish.deferred) await writePackage(extractor, file, signal);
    await extractor.write(foldersOf(finish));
    await extractor.end();
  } catch (error) {
    await extractor.abandon();
    throw asFailure("dpkg's database", error);
  }
}

function asOwned({ control, entries, md5 }: Unpacked): UnpackedPackage {
  return { control, paths: entries.map(({ path }) => path), md5 };
}

/** With the folders that lead there: who unpacks would make them with modes of its own. */
async function writeFolders(extractor: Extractor, paths: readonly string[]): Promise<void> {
  const parts = paths.map((path) => path.slice(1).split('/'));
  const all = new Set(parts.flatMap((words) => words.map((_, index) => words.slice(0, index + 1).join('/'))));
  for (const path of all) await extractor.write([tarHeader({ ...own(`./${path}/`, 0o755), type: '5' })]);
}

async function writeFile(extractor: Extractor, { path, content, executable }: DatabaseFile): Promise<void> {
  const header = tarHeader({ ...own(`./${path}`, executable ? 0o755 : 0o644), size: content.length });
  await extractor.write([header, content, filling(content.length)]);
}

async function writePackage(extractor: Extractor, file: PackageInput, signal: AbortSignal): Promise<void> {
  const { path } = await ready(file, signal);
  const { size } = await stat(path);
  const name = `.${DEFERRED_PACKAGES}/${handInName(file)}`;
  await extractor.write([tarHeader({ ...own(name, 0o644), size })]);
  for await (const piece of createReadStream(path)) await extractor.write([piece]);
  await extractor.write([filling(size)]);
}

/** Root's, of now. */
function own(name: string, mode: number): TarFields {
  const modified = Math.floor(Date.now() / 1000);
  return { ...{ name, mode, modified }, type: '0', uid: 0, gid: 0, size: 0 };
}

function foldersOf({ unpacked, layout }: UnpackedTree): Buffer[] {
  const folders = new Map<string, Buffer>();
  // As if it had come first, which it has.
  const inOrder = unpacked.toSorted(
    (a, b) => Number(isBaseFiles(b.control.file)) - Number(isBaseFiles(a.control.file)),
  );
  for (const { path, member } of inOrder.flatMap(({ entries }) => entries)) {
    const place = placeOf(path);
    if (member.kind !== 'folder' || folders.has(place) || layout.isLink(path)) continue;
    const name = place === '/.' ? './' : `.${place}/`;
    folders.set(place, tarHeader({ ...member, name, type: '5' }));
  }
  return [...folders.values()];
}
