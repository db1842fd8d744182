import { recipes } from '../../recipes/index.ts';
import type { BuildPlan } from '../../recipes/recipe.ts';
import { inputsOf, type Lock, type LockedPackage } from '../../schema/lock.ts';
import { BuildRequest, type VmType } from '../../schema/request.ts';
import { compose } from '../../workers/compose.ts';
import { loadConfiguration } from '../../workers/configuration.ts';
import { quietly } from '../quietly.ts';

/** What is built, the same for every peer: one lock, its files in slipway's input cache. */
export interface Inputs {
  /** As a person names it. */
  source: string;
  request: BuildRequest;
  lock: Lock;
  plan: BuildPlan;
  /** Where a file of the lock lies. */
  path(sha256: string): string;
}

/** The request that `slipway build SOURCE --vm TYPE` makes. */
export function requestFor(source: string, type?: VmType): BuildRequest {
  return BuildRequest.parse({
    recipe: { kind: 'debian', source: { name: source } },
    ...(type === undefined ? {} : { vm: { type } }),
  });
}

/** Resolves a package and brings all its inputs into the cache of a slipway home. */
export async function fetchInputs(source: string, home: string): Promise<Inputs> {
  const composition = await compose(await loadConfiguration(undefined, { SLIPWAY_HOME: home }));
  try {
    const request = requestFor(source);
    const { resolver } = composition.dependencies([]);
    const lock = await resolver.resolve(request, quietly());
    const { inputs } = composition;
    await inputs.fetch(inputsOf(lock), quietly());
    const plan = recipes.debian.plan(request, lock);
    return { source, request, lock, plan, path: (sha256) => inputs.path(sha256) };
  } finally {
    composition.close();
  }
}

/** The packages of the build root, without kernel and toolkit. */
export function rootPackages({ lock }: Inputs): LockedPackage[] {
  return [...lock.base, ...lock.dependencies];
}
