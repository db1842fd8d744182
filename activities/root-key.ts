import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { RootKey } from '../images/build-roots/build-roots.ts';
import type { Filesystem, FillWay } from '../images/filesystem.ts';
import type { BuildPlan } from '../recipes/recipe.ts';
import { type InputFile, type Lock, layersOf } from '../schema/lock.ts';
import type { VmType } from '../schema/request.ts';
import type { UsedKernel } from '../schema/result.ts';

export interface RootIngredients {
  lock: Lock;
  plan: BuildPlan;
  filesystem: Filesystem;
  fill?: FillWay | undefined;
  diskBytes: number;
  vm: VmType;
  /** What the guest of the install phase boots and what lies beside its build root: programs, scripts, modules. */
  kernel: UsedKernel;
  /** Of the code that lays out build roots. */
  code: string;
}

/**
 * The names of a build's root, and of the base that it shares with others: of everything that goes into an installed
 * disk, so that two that are named the same are the same. Both are one where the build adds nothing to the base.
 */
export function rootKeys(ingredients: RootIngredients): { base: RootKey; whole: RootKey } {
  const { lock, plan, filesystem, fill, ...others } = ingredients;
  const layers = layersOf(lock);
  const common = {
    ...others,
    fill: fill ?? 'default',
    architecture: lock.architecture,
    filesystem: filesystem.name,
    mountOptions: filesystem.mountOptions,
    sourcesDirectory: plan.sourcesDirectory,
    install: plan.install.unpacked,
    packages: digests(layers.base),
  };
  const base = digest(common);
  if (layers.rest.length === 0) return { base, whole: base };
  const { packagesDirectory } = plan;
  const added = { packagesDirectory, install: plan.install.onBase, packages: digests(layers.rest) };
  return { base, whole: digest({ on: base, ...added }) };
}

function digests(files: readonly InputFile[]): string[] {
  return files.map(({ sha256 }) => sha256);
}

function digest(value: unknown): RootKey {
  return createHash('sha256')
    .update(canonicalize(value) ?? '')
    .digest('hex');
}
