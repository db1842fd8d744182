import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CommandFailed, run } from '../host/run.ts';
import type { Store } from '../stores/store.ts';
import { UsageError } from './exit-codes.ts';
import { uploadFile } from './sources.ts';

/**
 * Packs a ccache folder as it is into the store (its entries are compressed already); of a file, a tar of such a folder,
 * the file itself. An unchanged folder gives the same digest, so that the request is an equal one.
 * @throws UsageError where it is neither
 */
export async function uploadCcache(path: string, store: Store): Promise<string> {
  const folder = resolve(path);
  const stats = await stat(folder).catch(() => undefined);
  if (stats?.isFile()) {
    await requireTar(folder);
    return await uploadFile(folder, store);
  }
  if (!stats?.isDirectory()) throw new UsageError(`--ccache: ${folder} is no folder and no file.`);
  const temporary = await mkdtemp(join(tmpdir(), 'slipway-ccache-'));
  try {
    const archive = join(temporary, 'ccache.tar');
    const fixed = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];
    // What a running ccache has in it of its own moment, and its lock files.
    const passing = ['--exclude=./tmp', '--exclude=./lock', '--exclude=*.lock'];
    await run(['tar', '--create', ...fixed, ...passing, `--file=${archive}`, `--directory=${folder}`, '.']);
    return await uploadFile(archive, store);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw new UsageError(`--ccache: ${folder} cannot be packed: ${error.message}`);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Only that it is one: what is in it the guest unpacks, and nobody else. */
async function requireTar(path: string): Promise<void> {
  const argv = ['tar', '--list', `--file=${path}`] as const;
  // Its list may be long, and says nothing here.
  await run(argv, { stdout: { file: '/dev/null' } }).catch((error: unknown) => {
    if (!(error instanceof CommandFailed)) throw error;
    throw new UsageError(`--ccache: ${path} is neither a folder nor a tar archive: ${error.stderr.trim()}`);
  });
}
