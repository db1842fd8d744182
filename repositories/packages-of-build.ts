import { z } from 'zod';
import type { StepContext } from '../host/progress.ts';
import type { Wanted } from '../recipes/recipe.ts';
import { LockedPackage } from '../schema/lock.ts';
import { resolveBase, resolveDependencies, type Solving } from './build-root.ts';
import type { Dsc } from './dsc.ts';
import { addLocalPackages, type LocalPackages } from './local-packages.ts';
import type { Apt, Lists } from './package-lists.ts';

/** Of what the packages of a build are chosen. */
export interface Choosing {
  lists: Lists;
  architecture: string;
  wanted: Wanted;
}

/** What is built: its name and version for messages, its .dsc for build dependencies. */
export interface Built {
  name: string;
  version: string;
  dsc?: Dsc | undefined;
}

const Packages = z.array(LockedPackage);
const Chosen = z.strictObject({
  base: Packages,
  dependencies: Packages,
  shared: z.array(z.string()).optional(),
});
type Chosen = z.infer<typeof Chosen>;

/**
 * The base, out of the repositories alone: for a request without packages of its own.
 * @throws as resolveBase
 */
export async function askBase({ lists, architecture, wanted }: Choosing): Promise<LockedPackage[]> {
  return await lists.ask(['base', architecture, wanted.base], Packages, (apt) =>
    resolveBase(wanted, architecture, apt),
  );
}

/** @throws as resolveDependencies */
export async function askDependencies(
  { lists, wanted }: Choosing,
  built: Built,
  base: readonly LockedPackage[],
): Promise<Chosen> {
  const question = ['dependencies', ...dependencyQuestion(wanted, built), base];
  return await lists.ask(question, Chosen, (apt) => resolveDependencies(wanted, built, base, apt));
}

/**
 * Base and dependencies where the request brings packages of its own, which go before those of the repositories. The
 * question names them by digest; whether the store has them is to be asked each time, by who calls.
 * @throws as addLocalPackages, resolveBase, resolveDependencies
 */
export async function askWithLocalPackages(
  { lists, architecture, wanted }: Choosing,
  built: Built,
  local: Omit<LocalPackages, 'root'>,
): Promise<Chosen> {
  const { base, localPackages } = wanted;
  const question = [
    ...['with local packages', localPackages, local.architectures],
    ...[architecture, base, ...dependencyQuestion(wanted, built)],
  ];
  const find = async ({ snapshot, mirrors, signal }: Apt) => {
    await using root = await snapshot();
    const quiet: StepContext = { signal, report: () => {} };
    const all = await addLocalPackages(localPackages, { ...local, root }, mirrors, quiet);
    const solving: Solving = { root, mirrors: all, signal };
    const chosen = await resolveBase(wanted, architecture, solving);
    return await resolveDependencies(wanted, built, chosen, solving);
  };
  return await lists.ask(question, Chosen, find);
}

function dependencyQuestion(
  { parts, profiles, packages, shared, crossFor }: Wanted,
  { name, version, dsc }: Built,
) {
  return [
    parts,
    profiles,
    packages,
    shared,
    crossFor ?? '',
    name,
    version,
    dsc === undefined ? '' : [...dsc.fields],
  ];
}
