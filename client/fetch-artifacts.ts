import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, link, lstat, mkdir, open, readlink, symlink, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Artifact, BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';

/** An artifact as it lies on disk now. */
export interface FetchedArtifact extends Artifact {
  /** Where it was written. */
  file: string;
}

/** Name for the log beside a build's artifacts: `<package>_<version>.log`, or one that is not an artifact's. */
export function logName({ package: { name, version }, artifacts }: BuildResult): string {
  const base = `${name}_${version.replace(/^\d+:/, '')}`;
  const taken = new Set(artifacts.map(({ path }) => path));
  let path = `${base}.log`;
  for (let number = 1; taken.has(path); number++)
    path = `${base}.slipway${number === 1 ? '' : `-${number}`}.log`;
  return path;
}

/**
 * Writes artifacts into a folder. Each file is verified while it is written and appears under its name only when whole.
 * What is there already is kept where it is the same and never replaced where it is not.
 * @throws SlipwayFailure InvalidRequest where a name is unknown or something else is there; nothing is written then.
 *   StoreUnavailable, InputRejected where the store fails
 */
export async function fetchArtifacts(
  store: Store,
  artifacts: readonly Artifact[],
  folder: string,
  names?: readonly string[],
): Promise<FetchedArtifact[]> {
  const chosen = choose(artifacts, names);
  const there = new Set<Artifact>();
  for (const artifact of chosen)
    if (await isThere(artifact, join(folder, artifact.path))) there.add(artifact);
  await mkdir(folder, { recursive: true });
  // Links last: no file is ever written through a link of the build's.
  const order = [...chosen].sort((a, b) => Number(a.kind === 'symlink') - Number(b.kind === 'symlink'));
  for (const artifact of order) {
    if (!there.has(artifact)) await writeArtifact(store, artifact, join(folder, artifact.path));
  }
  return chosen.map((artifact) => ({ ...artifact, file: join(folder, artifact.path) }));
}

/** The named artifacts; all where none is named. @throws SlipwayFailure InvalidRequest where a name is unknown */
export function choose(
  artifacts: readonly Artifact[],
  names: readonly string[] | undefined,
): readonly Artifact[] {
  if (names === undefined || names.length === 0) return artifacts;
  const unknown = names.filter((name) => !artifacts.some(({ path }) => path === name));
  if (unknown.length > 0) {
    throw new SlipwayFailure('InvalidRequest', 'The build has no artifact of this name.', {
      items: unknown,
      advice:
        artifacts.length === 0
          ? 'It has none at all: slipway logs shows why.'
          : `It has: ${artifacts.map(({ path }) => path).join(', ')}`,
    });
  }
  return artifacts.filter(({ path }) => names.includes(path));
}

/** Whether exactly this is there already. @throws SlipwayFailure where something else is */
async function isThere(artifact: Artifact, target: string): Promise<boolean> {
  if (artifact.path.split('/').some((step) => step === '' || step === '.' || step === '..')) {
    throw new SlipwayFailure(
      'InputRejected',
      `The result names a file outside of its folder: ${artifact.path}`,
    );
  }
  const stat = await lstat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (stat === undefined) return false;
  if (artifact.kind === 'directory' && stat.isDirectory()) return true;
  if (artifact.kind === 'symlink' && stat.isSymbolicLink() && (await readlink(target)) === artifact.target)
    return true;
  if (artifact.kind === 'file' && stat.isFile() && stat.size === artifact.size) {
    if ((await sha256(target)) === artifact.sha256) return true;
  }
  throw new SlipwayFailure('InvalidRequest', `${target} exists and is something else.`, {
    advice: 'Remove it or choose another folder; nothing was written.',
  });
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function writeArtifact(store: Store, artifact: Artifact, target: string): Promise<void> {
  if (artifact.kind === 'directory') {
    await mkdir(target, { recursive: true });
    return;
  }
  await mkdir(dirname(target), { recursive: true });
  if (artifact.kind === 'symlink') {
    await symlink(artifact.target ?? '', target);
    return;
  }
  const partial = join(dirname(target), `.slipway-${randomUUID()}`);
  try {
    await copyVerified(store, artifact, partial);
    if (artifact.executable) await chmod(partial, 0o755);
    // Unlike a rename this never replaces what appeared meanwhile.
    await link(partial, target);
  } finally {
    await unlink(partial).catch(() => undefined);
  }
}

async function copyVerified(
  store: Store,
  { path, sha256: expected }: Artifact,
  partial: string,
): Promise<void> {
  if (expected === undefined)
    throw new SlipwayFailure('InputRejected', `The result has no digest for ${path}.`);
  const hash = createHash('sha256');
  const file = await open(partial, 'wx', 0o644);
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const chunk of (await store.readBlob(expected)) as AsyncIterable<Buffer>) {
      await writing;
      // Written while it is hashed and while the next one comes.
      writing = file.writeFile(chunk);
      writing.catch(() => undefined);
      hash.update(chunk);
    }
    await writing;
    await file.sync();
  } finally {
    await writing.catch(() => undefined);
    await file.close();
  }
  if (hash.digest('hex') === expected) return;
  throw new SlipwayFailure('InputRejected', `The store's copy of ${path} is corrupt (${store.location}).`, {
    advice: 'Build it again; the store has lost it.',
  });
}
