import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { allEnded } from '../host/all-ended.ts';
import type { StepContext } from '../host/progress.ts';
import { CommandFailed } from '../host/run.ts';
import type { Recipes, Wanted } from '../recipes/recipe.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { Lock } from '../schema/lock.ts';
import type { BuildRequest, Repository } from '../schema/request.ts';
import type { Store } from '../stores/store.ts';
import type { KernelArchitecture } from '../vm/architectures.ts';
import { type AptRepository, describeRepositories, type SourceEntry } from './apt-repository.ts';
import type { InputCache } from './cache.ts';
import { type LockedGuest, resolveGuest } from './kernel.ts';
import { keepKeyring } from './keyring.ts';
import { type OwnRepositories, withOwnRepositories } from './own-repositories.ts';
import { currentLists } from './package-lists.ts';
import { askBase, askDependencies, askWithLocalPackages } from './packages-of-build.ts';
import { preferencesText } from './preferences.ts';
import { type Proxies, readProxies } from './proxies.ts';
import { consultedReleases } from './releases.ts';
import type { Resolver } from './resolver.ts';
import { readBlob } from './small-blob.ts';
import { resolveSource } from './source.ts';
import { storedFile } from './wanted-files.ts';

export interface AptResolverOptions {
  store: Store;
  /** For requests that name none. A function is asked each time that they are needed. */
  repositories: readonly AptRepository[] | OwnRepositories;
  /** Absolute folder for package lists and keyrings; made where it is missing. Several processes may share it. */
  directory: string;
  /**
   * The kernel that guests boot, or a metapackage that depends on it; `{architecture}` stands for the kernel's. Absent:
   * hosts have kernels of their own.
   */
  kernelPackage?: string | undefined;
  /** What the hosts are; their own programs run in guests with such a kernel. Default: what this machine is. */
  native?: KernelArchitecture;
  /** Where a .dsc and local packages are fetched into. */
  download: InputCache;
  recipes: Recipes;
  /** Default: read from this machine. */
  proxies?: Proxies;
}

/** Resolves with apt in a private root: signatures, dates, the chain of digests and the solver are apt's own. */
export function createAptResolver(options: AptResolverOptions): Resolver {
  return {
    resolve: (request, context) =>
      guarded(async () => {
        const requested = request.repositories;
        if (requested?.every(hasKeyring)) return await resolve(request, [], options, context);
        return await withOwnRepositories(options.repositories, context.signal, (own, signal) =>
          resolve(request, own, options, { ...context, signal }),
        );
      }),
  };
}

async function resolve(
  request: BuildRequest,
  own: readonly AptRepository[],
  options: AptResolverOptions,
  { signal, report }: StepContext,
): Promise<Lock> {
  const { directory, store, download, recipes, kernelPackage, native } = options;
  const { architecture } = request;
  const wanted = recipes[request.recipe.kind].wanted(request);
  const tell = (what: string, done: number) => report({ what, done, total: 3, unit: 'files' });
  const entries = await sourceEntries(request.repositories, own, options);
  const proxies = options.proxies ?? (await readProxies());
  tell(`package lists of ${describeRepositories(entries)}`, 0);
  const of = { directory, proxies, architecture, ...listsOf(wanted) };
  const lists = await currentLists(entries, of, signal);
  tell('source, kernel and base of the build root', 1);
  const quiet = { signal, report: () => {} };
  const choosing = { lists, architecture, wanted };
  // Packages of the request are no part of what the kernel is taken from.
  const hasOwn = wanted.localPackages.length > 0;
  const booted = { architecture, kernelPackage, entries, directory, proxies, native };
  const [{ source, dsc }, files, guest, base, repositories] = await allEnded([
    resolveSource(wanted.source, { lists, store, download, repositories: entries }, quiet),
    Promise.all(wanted.files.map((file) => storedFile(file, store))),
    resolveGuest(booted, lists, signal),
    hasOwn ? Promise.resolve([]) : askBase(choosing),
    lists.ask(['releases'], Lock.shape.repositories, consultedReleases),
    Promise.all(wanted.localPackages.map((file) => storedFile(file, store))),
  ]);
  tell(`what ${source.name} ${source.version} needs`, 2);
  const built = { ...source, dsc };
  const local = { store, download, architectures: [architecture, ...of.foreign] };
  const packages = hasOwn
    ? await askWithLocalPackages(choosing, built, local)
    : await askDependencies(choosing, built, base);
  const beside = files.length === 0 ? {} : { files };
  return Lock.parse({ version: 1, architecture, source, ...beside, ...packages, ...guest, repositories });
}

/** What package lists are for this request beyond those of its repositories. */
function listsOf({ crossFor, pins }: Wanted) {
  return { foreign: crossFor === undefined ? [] : [crossFor], preferences: preferencesText(pins) };
}

/**
 * What the worker's own repositories have now for booting guests, without any build: what a probe of the host boots.
 * @throws as `Resolver.resolve`
 */
export async function workerGuest(
  options: Omit<AptResolverOptions, 'download' | 'recipes'>,
  architecture: BuildRequest['architecture'],
  signal: AbortSignal,
): Promise<LockedGuest> {
  return guarded(async () => {
    const { directory, kernelPackage, native } = options;
    await mkdir(directory, { recursive: true });
    const { repositories } = options;
    const own = typeof repositories === 'function' ? await repositories(signal) : repositories;
    const entries = await sourceEntries(undefined, own, options);
    const proxies = options.proxies ?? (await readProxies());
    const wanted = { architecture, kernelPackage, entries, directory, proxies, native };
    return await resolveGuest(wanted, undefined, signal);
  });
}

const hasKeyring = ({ keyring }: Repository) => keyring !== undefined;

/** The repositories of a request, else the worker's own. */
async function sourceEntries(
  requested: readonly Repository[] | undefined,
  repositories: readonly AptRepository[],
  { store, directory }: Pick<AptResolverOptions, 'store' | 'directory'>,
): Promise<SourceEntry[]> {
  const keyrings = join(directory, 'keyrings');
  if (requested?.every(hasKeyring)) {
    return await Promise.all(requested.map((each) => requestedEntry(each, [], store, keyrings)));
  }
  const own = await Promise.all(
    repositories.map(async (each) => ({ ...each, keyrings: await ownKeyring(each.signedBy, keyrings) })),
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
