import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepContext } from '../host/progress.ts';
import { CommandFailed } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { Lock, type LockedPackage } from '../schema/lock.ts';
import type { BuildRequest, Repository } from '../schema/request.ts';
import type { Store } from '../stores/store.ts';
import { type AptRepository, describeRepositories, type SourceEntry } from './apt-repository.ts';
import { resolveBase, resolveDependencies } from './build-root.ts';
import type { InputCache } from './cache.ts';
import { resolveKernel } from './kernel.ts';
import { keepKeyring } from './keyring.ts';
import { snapshotLists } from './package-lists.ts';
import { mirrorsOf } from './packages.ts';
import { type Proxies, readProxies } from './proxies.ts';
import { consultedReleases } from './releases.ts';
import type { Resolver } from './resolver.ts';
import { readBlob, resolveSource } from './source.ts';

export interface AptResolverOptions {
  store: Store;
  /** For requests that name none. A function is asked each time that they are needed. */
  repositories: readonly AptRepository[] | ((signal: AbortSignal) => Promise<readonly AptRepository[]>);
  /** Absolute folder for package lists and keyrings; made where it is missing. Several processes may share it. */
  directory: string;
  /** The kernel that guests boot, or a metapackage that depends on it. */
  kernelPackage: string;
  /** Where a .dsc is fetched into. */
  download: InputCache;
  /** Default: read from this machine. */
  proxies?: Proxies;
}

/** Resolves with apt in a private root: signatures, dates, the chain of digests and the solver are apt's own. */
export function createAptResolver(options: AptResolverOptions): Resolver {
  return { resolve: (request, context) => guarded(() => resolve(request, options, context)) };
}

async function resolve(
  request: BuildRequest,
  options: AptResolverOptions,
  context: StepContext,
): Promise<Lock> {
  const { directory, store, download } = options;
  const { signal } = context;
  await mkdir(directory, { recursive: true });
  const tell = (what: string, done: number) => context.report({ what, done, total: 5, unit: 'files' });
  const entries = await sourceEntries(request.repositories, options, signal);
  const proxies = options.proxies ?? (await readProxies());
  tell(`package lists of ${describeRepositories(entries)}`, 0);
  await using root = await snapshotLists(
    entries,
    { directory, architecture: request.architecture, proxies },
    signal,
  );
  const mirrors = mirrorsOf(entries);
  tell('source package', 1);
  const quiet = { signal, report: () => {} };
  const found = { root, store, download, repositories: entries, mirrors };
  const { source, dsc } = await resolveSource(request.recipe, found, quiet);
  tell('base of the build root', 2);
  const base = await resolveBase(root, mirrors, signal);
  // Before the dependencies: their status would have apt build its cache of all packages once more.
  tell('kernel', 3);
  const kernel = await resolveKernel(root, options.kernelPackage, mirrors, signal);
  tell(`build dependencies of ${source.name} ${source.version}`, 4);
  const packages = await resolveDependencies(root, dsc, base, request.recipe.options, mirrors, signal);
  const repositories = await consultedReleases(root, signal);
  return Lock.parse({
    version: 1,
    architecture: request.architecture,
    source,
    ...packages,
    kernel,
    repositories,
  });
}

/**
 * The kernel that the worker's own repositories have now, without any build: what a probe of the host boots.
 * @throws as `Resolver.resolve`
 */
export async function workerKernel(
  options: Omit<AptResolverOptions, 'download'>,
  architecture: BuildRequest['architecture'],
  signal: AbortSignal,
): Promise<LockedPackage> {
  return guarded(async () => {
    await mkdir(options.directory, { recursive: true });
    const entries = await sourceEntries(undefined, options, signal);
    const proxies = options.proxies ?? (await readProxies());
    const at = { directory: options.directory, architecture, proxies };
    await using root = await snapshotLists(entries, at, signal);
    return await resolveKernel(root, options.kernelPackage, mirrorsOf(entries), signal);
  });
}

/** The repositories of a request, else the worker's own. */
async function sourceEntries(
  requested: readonly Repository[] | undefined,
  { store, directory, repositories }: Omit<AptResolverOptions, 'download'>,
  signal: AbortSignal,
): Promise<SourceEntry[]> {
  const keyrings = join(directory, 'keyrings');
  if (requested?.every(({ keyring }) => keyring !== undefined)) {
    return await Promise.all(requested.map((each) => requestedEntry(each, [], store, keyrings)));
  }
  const own = await Promise.all(
    (typeof repositories === 'function' ? await repositories(signal) : repositories).map(async (each) => ({
      ...each,
      keyrings: await ownKeyring(each.signedBy, keyrings),
    })),
  );
  if (requested === undefined) return own;
  // A repository that names no keyring must be signed by one of the worker's; without any of its own it trusts what
  // apt on this machine trusts.
  const trusted = own.every((each) => each.keyrings.length > 0) ? own.flatMap((each) => each.keyrings) : [];
  return await Promise.all(requested.map((each) => requestedEntry(each, trusted, store, keyrings)));
}

async function requestedEntry(
  { keyring, ...entry }: Repository,
  trusted: readonly string[],
  store: Store,
  folder: string,
): Promise<SourceEntry> {
  if (keyring === undefined) return { ...entry, keyrings: [...new Set(trusted)].sort() };
  const what = `the keyring of ${describeRepositories([entry])}`;
  return { ...entry, keyrings: [await keepKeyring(folder, await readBlob(store, keyring, what), what)] };
}

async function ownKeyring(signedBy: string | undefined, folder: string): Promise<string[]> {
  if (signedBy === undefined) return [];
  if (signedBy.startsWith('/')) return [signedBy];
  return [await keepKeyring(folder, Buffer.from(signedBy), 'a keyring of the worker configuration')];
}

/** What remains of failed commands: a program that is missing, or apt failing in a way that nobody foresaw. */
async function guarded<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const advice = 'Run the command by hand as root to see more; slipway doctor checks what a worker needs.';
    throw new SlipwayFailure('HostUnfit', error.message, { advice, cause: error });
  }
}
