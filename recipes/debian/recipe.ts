import type { Lock } from '../../schema/lock.ts';
import { asRecipe, type BuildPlan, type RequestOf, type Wanted } from '../recipe.ts';
import { binNmuVersion } from './bin-nmu.ts';
import { buildCommands, OUTPUT_DIRECTORY, WORK_DIRECTORY } from './build-commands.ts';
import { seedName } from './ccache.ts';
import { profilesOf } from './environment.ts';
import { explainInstallFailure, installOf } from './install-commands.ts';

/** What every Debian build has (Policy 4.2), and what sbuild lets it become root with. */
const BASE = ['build-essential', 'fakeroot'];

/** What nearly every Debian package is built with, though none has to. */
const SHARED = ['debhelper'];

/** Builds Debian packages from a Debian source package, as Debian's own build hosts do. */
export const debianRecipe = asRecipe({ kind: 'debian', wanted, package: made, plan, explainInstallFailure });

function wanted({ recipe: { source, keyring, options } }: RequestOf<'debian'>): Wanted {
  const { parts, extraPackages, crossFor, ccache, localPackages = [], pins = [] } = options;
  return {
    source: { kind: 'debian', from: source, keyring },
    parts,
    profiles: profilesOf(options),
    base: BASE,
    shared: SHARED,
    packages: [
      ...extraPackages,
      ...(crossFor === undefined ? [] : crossPackages(crossFor)),
      ...(ccache === undefined ? [] : ['ccache:native']),
    ],
    crossFor,
    localPackages,
    pins,
    files: ccache === undefined ? [] : [{ name: seedName(ccache), sha256: ccache }],
  };
}

/** As sbuild; the libraries by name too, since not every cross compiler depends on them (Debian bug 815172). */
function crossPackages(architecture: string): string[] {
  return [`crossbuild-essential-${architecture}:native`, 'libc-dev', 'libstdc++-dev'];
}

function made({ recipe: { options } }: RequestOf<'debian'>, { source }: Lock) {
  return { name: source.name, version: binNmuVersion(source.version, options.binNmu) };
}

function plan(request: RequestOf<'debian'>, lock: Lock): BuildPlan {
  return {
    sources: [...lock.source.files, ...(lock.files ?? [])],
    sourcesDirectory: WORK_DIRECTORY,
    ...installOf(lock),
    build: buildCommands(request, lock),
    outputDirectory: OUTPUT_DIRECTORY,
  };
}
