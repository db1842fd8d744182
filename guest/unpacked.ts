import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncFolder } from '../host/atomic-file.ts';
import { withFileLock } from '../host/file-lock.ts';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';

/** Seconds that another process may take to unpack. */
const PATIENCE = 600;
const UNPACKING = 'unpacking-';

/**
 * Unpacks Debian packages, running nothing of them, into one folder below `into`, once: one process of the host at a
 * time, and who comes second takes the first one's. What one that was killed has left is deleted.
 * @returns that folder
 * @throws SlipwayFailure InputRejected where one is no package, HostUnfit where dpkg-deb is missing; what `finish` throws
 */
export async function unpackOnce(of: {
  debs: readonly string[];
  into: string;
  /** Called with the unpacked folder, before others see it. */
  finish(tree: string): Promise<void>;
  signal?: AbortSignal | undefined;
}): Promise<string> {
  const { debs, into, finish, signal } = of;
  const tree = join(into, await nameOf(debs));
  if (!existsSync(tree)) {
    await mkdir(into, { recursive: true });
    const unpack = async () => {
      if (!existsSync(tree)) await unpackInto(tree, debs, finish, signal);
    };
    await withFileLock(`${into}.lock`, PATIENCE, unpack, signal);
  }
  // By it retention tells what is still in use (retention/host-entries.ts); the package brings a time of its own.
  const now = new Date();
  await utimes(tree, now, now);
  return tree;
}

async function unpackInto(
  tree: string,
  debs: readonly string[],
  finish: (tree: string) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const folder = dirname(tree);
  for (const name of await readdir(folder)) {
    if (name.startsWith(UNPACKING)) await remove(join(folder, name));
  }
  const aside = await mkdtemp(join(folder, UNPACKING));
  try {
    for (const deb of debs) await extract(deb, aside, signal);
    await finish(aside);
    // Or a power cut leaves the name with empty files, and every guest of this host fails from then on.
    await run(['sync', '--file-system', aside]);
    await rename(aside, tree);
    await syncFolder(folder);
  } finally {
    await remove(aside);
  }
}

/** Tried again where a dpkg-deb that has outlived its worker still writes. */
async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function extract(deb: string, into: string, signal: AbortSignal | undefined): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  await run(['dpkg-deb', '--extract', deb, into], options).catch((error: unknown) => {
    if (!(error instanceof CommandFailed)) throw error;
    if (error.code === 'ENOENT') {
      throw new SlipwayFailure('HostUnfit', 'dpkg-deb is missing: install the Debian package dpkg');
    }
    throw new SlipwayFailure('InputRejected', `${deb} is no Debian package: ${error.message}`, {
      cause: error,
    });
  });
}

/** SHA-256 of a package, or of those of several. */
async function nameOf(debs: readonly string[]): Promise<string> {
  const digests = await Promise.all(debs.map(digestOf));
  if (digests.length === 1) return digests[0] as string;
  return createHash('sha256').update(digests.join('\n')).digest('hex');
}

/** SHA-256 of a file. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
