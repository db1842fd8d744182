import { createHash } from 'node:crypto';
import { access, link, mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { type AptRootOptions, aptConfiguration, createAptRoot } from './apt-root.ts';
import { isWhole, type ListFile, MANIFEST, seal } from './kept-lists.ts';
import { ownCode } from './own-code.ts';

/** A state that nobody has used for so long may go, milliseconds: no resolution takes as long. */
const UNUSED_MS = 60 * 60 * 1000;

const SETTINGS = ['apt.conf', 'status', 'etc/sources.list.d/slipway.sources', 'etc/preferences.d/slipway'];

/**
 * The folder of one state of kept lists: an apt root with hard links to these lists (apt replaces lists, it never writes
 * into them), with apt's own caches of them, and with what was answered from them. It stands for all that answers depend
 * on: sources, apt's version and settings, our code, each Release file, and through them each list. Many may read in it;
 * who calls holds the lock of the kept lists.
 *
 * @param options its `directory` is that of the kept lists
 */
export async function stateFolder(
  options: AptRootOptions & { sources: string },
  files: readonly ListFile[],
  aptVersion: string,
): Promise<string> {
  const states = join(options.directory, 'states');
  const depends = {
    ...{ code: await ownCode(), apt: aptVersion, settings: await aptConfiguration(options) },
    ...{ sources: options.sources, files: files.map(({ name, size, sha256 }) => [name, size, sha256 ?? '']) },
  };
  const name = createHash('sha256').update(JSON.stringify(depends)).digest('hex').slice(0, 32);
  const folder = join(states, name);
  if (await isWhole(folder, SETTINGS)) {
    const now = new Date();
    await utimes(join(folder, MANIFEST), now, now);
    return folder;
  }
  await sweepStates(states);
  // Half made, or damaged since.
  await rm(folder, { recursive: true, force: true });
  await createAptRoot({ ...options, directory: folder });
  await linkLists(options.directory, folder);
  await seal(folder, SETTINGS);
  return folder;
}

/** Hard links to the lists of one folder in another. */
export async function linkLists(from: string, to: string): Promise<void> {
  await mkdir(join(to, 'lists'), { recursive: true });
  const entries = await readdir(join(from, 'lists'), { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && entry.name !== 'lock').map(({ name }) => name);
  await Promise.all(names.map((name) => link(join(from, 'lists', name), join(to, 'lists', name))));
}

/** Whether apt has its caches there. */
export async function hasCaches(folder: string): Promise<boolean> {
  const found = ['pkgcache.bin', 'srcpkgcache.bin'].map((name) => access(join(folder, 'cache', name)));
  return (await Promise.allSettled(found)).every(({ status }) => status === 'fulfilled');
}

async function sweepStates(states: string): Promise<void> {
  for (const name of (await readdir(states).catch(ignoreMissing)) ?? []) {
    const used = (await stat(join(states, name, MANIFEST)).catch(ignoreMissing))?.mtimeMs ?? 0;
    if (Date.now() - used > UNUSED_MS) await rm(join(states, name), { recursive: true, force: true });
  }
}
