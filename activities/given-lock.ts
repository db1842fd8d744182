import type { Recipes } from '../recipes/recipe.ts';
import { packageName } from '../schema/build-id.ts';
import type { Digest } from '../schema/digest.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { inputsOf, Lock, type LockedPackage } from '../schema/lock.ts';
import { FileName } from '../schema/names.ts';
import { problems, validKeysOf } from '../schema/problems.ts';
import type { BuildRequest } from '../schema/request.ts';
import { BlobMissing, type Store } from '../stores/store.ts';
import { unfit } from './lock-fits.ts';

/** Such a lock has thousands of entries of a few hundred bytes. */
const LOCK_BYTES = 64 * 1024 * 1024;

/** What every lock of a resolver looks like, and one that somebody else wrote must: these become names of files. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9.+~:-]*$/;
const ARCHITECTURE = /^[a-z0-9][a-z0-9-]*$/;

type Needs = {
  store: Pick<Store, 'readBytes' | 'listRecords' | 'readRecord' | 'location'>;
  recipes: Recipes;
};

/**
 * The lock that a request gives in the place of being resolved: read from the store, and it must fit the request. No
 * signature is checked again: the digests of the lock are the request's own word for what goes in.
 * @throws SlipwayFailure InvalidRequest (`items`: all that does not fit), StoreUnavailable
 */
export async function givenLock(
  { store, recipes }: Needs,
  request: BuildRequest,
  digest: Digest,
): Promise<Lock> {
  const lock = await read(store, digest);
  const wrong = [
    ...unfit(lock, request, recipes[request.recipe.kind].wanted(request)),
    ...unsafe(lock),
    ...((await reachesHostFiles(lock, store, request, digest)) ? [HOST_FILES] : []),
  ];
  if (wrong.length > 0) throw refused('The given lock does not fit the request', wrong);
  return lock;
}

async function read(store: Needs['store'], digest: Digest): Promise<Lock> {
  try {
    const text = Buffer.from(await store.readBytes(digest, LOCK_BYTES)).toString('utf8');
    const parsed = Lock.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    throw refused('The given lock is none', problems(parsed.error, validKeysOf(Lock)).slice(0, 20));
  } catch (error) {
    if (error instanceof BlobMissing) {
      const advice = `Leave the lock out, and the request is resolved anew. The store is ${store.location}: retention (slipway gc) deletes what no result needs.`;
      throw refused('The given lock is gone', [`the store has no blob ${digest}`], advice, error);
    }
    if (error instanceof RangeError || error instanceof SyntaxError) {
      throw refused('The given lock is none', [error.message], undefined, error);
    }
    throw error;
  }
}

function refused(message: string, items: string[], advice?: string, cause?: unknown): SlipwayFailure {
  const paths = items.map((item) => `lock: ${item}`);
  return new SlipwayFailure('InvalidRequest', `${message}: ${paths.slice(0, 5).join('; ')}`, {
    items: paths,
    ...(advice === undefined ? {} : { advice }),
    cause,
  });
}

/** Names in a lock become names of files, on the host too. */
function unsafe(lock: Lock): string[] {
  const { source, base, dependencies, kernel, toolkit = [] } = lock;
  const packages = [...base, ...dependencies, ...(kernel ? [kernel] : []), ...toolkit];
  const names = inputsOf(lock).filter(({ name }) => !FileName.safeParse(name).success);
  const wrong = names.map(({ name }) => `has a file with the name ${JSON.stringify(name)}`);
  if (!PACKAGE.test(source.name) || !VERSION.test(source.version)) {
    wrong.push(`has the source ${JSON.stringify(`${source.name} ${source.version}`)}`);
  }
  if (source.dsc !== undefined && !source.files.some(({ name }) => name === source.dsc)) {
    wrong.push(`has not its own .dsc among its files: ${JSON.stringify(source.dsc)}`);
  }
  return [...wrong, ...packages.filter(isOdd).map((each) => `has the package ${nameOf(each)}`)].slice(0, 20);
}

function isOdd({ package: name, version, architecture }: LockedPackage): boolean {
  return !PACKAGE.test(name) || !VERSION.test(version) || !ARCHITECTURE.test(architecture);
}

function nameOf({ package: name, version, architecture }: LockedPackage): string {
  return JSON.stringify(`${name} ${version} ${architecture}`);
}

const HOST_FILES =
  "has URLs of files of the host or of unknown kinds: only a lock that one of the package's published results names may";

/**
 * Whether a lock names URLs that no request may name (`file:`, of an operator's own mirror) and nothing says that a
 * resolver wrote it. Who may start builds could learn of the host's files that way.
 */
async function reachesHostFiles(
  lock: Lock,
  store: Needs['store'],
  request: BuildRequest,
  digest: Digest,
): Promise<boolean> {
  const isPlain = (url: string) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (inputsOf(lock).every(({ urls }) => urls.every(isPlain))) return false;
  for await (const name of store.listRecords(`results/build/${packageName(request)}/`)) {
    const record = await store.readRecord(name);
    if (record === undefined) continue;
    const { lock: named } = JSON.parse(Buffer.from(record).toString('utf8')) as { lock?: unknown };
    if (named === digest) return false;
  }
  return true;
}
