import type { InputFile, Lock } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';
import type { GuestCommand } from '../vm/vm.ts';
import type { DebianSource } from './debian/schema.ts';

/** A file of a request: a blob of the store, or one that is fetched and must have that digest. */
export interface WantedFile {
  name: string;
  sha256: string;
  url?: string | undefined;
}

/** A package that is preferred or kept away, as apt_preferences(5) has it. */
export interface WantedPin {
  package: string;
  /** `version 1.2*`, `release a=stable`, `origin mirror.example.org`. */
  pin: string;
  priority: number;
}

/** What a resolver is to find for a request, as data: it knows no kinds of recipe. */
export interface Wanted {
  source:
    | { kind: 'debian'; from: DebianSource; keyring?: string | undefined }
    | { kind: 'files'; name: string; version: string; files: readonly WantedFile[] };
  /** What of the source's build dependencies counts. Only of a Debian source. */
  parts: readonly ('any' | 'all' | 'source')[];
  profiles: readonly string[];
  /** Beside the essential packages: what many builds share. */
  base: readonly string[];
  /** Of the dependencies: what many builds have too, and is installed with the base where it is among them. */
  shared: readonly string[];
  /** Beside the base and the build dependencies; as in Build-Depends, so of the host architecture in a cross build. */
  packages: readonly string[];
  /** Architecture that is built for, where it is another one than the build root's. */
  crossFor?: string | undefined;
  /** Binary packages of the request that are preferred to those of the repositories. */
  localPackages: readonly WantedFile[];
  pins: readonly WantedPin[];
  /** What else is laid beside the source. */
  files: readonly WantedFile[];
}

/** What a guest is to do for a recipe, as data. */
export interface BuildPlan {
  /** Files of the lock that are handed in for the build phase. */
  sources: readonly InputFile[];
  /** Absolute folder in the build root for them; owned by the builder. */
  sourcesDirectory: string;
  /** As root; the untrusted source is not there yet. `unpacked`: over packages that the host unpacked. */
  install: {
    unpacked: readonly GuestCommand[];
    /** Over an installed base, with the other packages handed in. */
    onBase: readonly GuestCommand[];
  };
  /** Absolute folder in the build root for packages that are handed in: `<package>_<architecture>.deb`. */
  packagesDirectory: string;
  /** As the unprivileged builder. */
  build: readonly GuestCommand[];
  /** Absolute folder in the build root whose content is the result. */
  outputDirectory: string;
}

export type RecipeKind = BuildRequest['recipe']['kind'];

/** What is built and how. One folder per recipe. Nobody else asks what kind a request is of. */
export interface Recipe {
  readonly kind: RecipeKind;
  wanted(request: BuildRequest): Wanted;
  /** Name and version of what comes out. */
  package(request: BuildRequest, lock: Lock): { name: string; version: string };
  plan(request: BuildRequest, lock: Lock): BuildPlan;
  /**
   * What to say where a command of the install phase failed: which step it was (its title) and, as far as the last lines
   * of the log tell, which packages (`items`; only such as the lock has).
   */
  explainInstallFailure(
    lock: Lock,
    title: string | undefined,
    lastLines: readonly string[],
  ): { message: string; items: string[] };
}

export type Recipes = Readonly<Record<RecipeKind, Recipe>>;

/** A request whose recipe is of one kind. */
export type RequestOf<Kind extends RecipeKind> = BuildRequest & {
  recipe: Extract<BuildRequest['recipe'], { kind: Kind }>;
};

/** A recipe as its own folder writes it: over requests of its kind alone. */
export type RecipeOf<Kind extends RecipeKind> = Pick<Recipe, 'explainInstallFailure'> & {
  readonly kind: Kind;
  wanted(request: RequestOf<Kind>): Wanted;
  package(request: RequestOf<Kind>, lock: Lock): { name: string; version: string };
  plan(request: RequestOf<Kind>, lock: Lock): BuildPlan;
};

/** A recipe that refuses requests of another kind. */
export function asRecipe<Kind extends RecipeKind>(recipe: RecipeOf<Kind>): Recipe {
  const mine = (request: BuildRequest): RequestOf<Kind> => {
    if (request.recipe.kind === recipe.kind) return request as RequestOf<Kind>;
    throw new TypeError(`a request of kind ${request.recipe.kind} for the recipe ${recipe.kind}`);
  };
  return {
    kind: recipe.kind,
    wanted: (request) => recipe.wanted(mine(request)),
    package: (request, lock) => recipe.package(mine(request), lock),
    plan: (request, lock) => recipe.plan(mine(request), lock),
    explainInstallFailure: recipe.explainInstallFailure,
  };
}
