import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, type RunOptions } from '../host/run.ts';
import type { Wanted } from '../recipes/recipe.ts';
import type { LockedPackage } from '../schema/lock.ts';
import type { AptRoot } from './apt-root.ts';
import type { Dsc } from './dsc.ts';
import { type Mirrors, printedPackages } from './packages.ts';
import { sharedPackages } from './shared.ts';
import { unresolvable } from './unmet.ts';

/** What the resolution of one request has beside the wanted itself. */
export interface Solving {
  root: AptRoot;
  mirrors: Mirrors;
  signal: AbortSignal;
}

const QUIET = ['-qq', '--yes', '--print-uris'];

/**
 * Essential packages, and what the recipe puts beside them. apt counts itself as essential; a build root that the host
 * fills needs neither it nor the dozen packages behind it.
 * @throws SlipwayFailure UnresolvableDependencies
 */
export async function resolveBase(
  { base }: Pick<Wanted, 'base'>,
  architecture: string,
  { root, mirrors, signal }: Solving,
): Promise<LockedPackage[]> {
  const essential = `?and(?essential,?architecture(${architecture}),?not(?exact-name(apt)))`;
  const { stdout } = await solve(
    root,
    'the base of the build root',
    ['apt-get', 'install', ...QUIET, essential, ...base],
    { signal },
  );
  return printedPackages(stdout, mirrors);
}

/**
 * What is wanted beside the base, all of it in one call of apt's solver, as if the base were installed. The base is
 * returned too: conflicts may take packages out of it, dependencies may replace some.
 * @param dsc the source package whose build dependencies count, where there is one
 * @throws SlipwayFailure UnresolvableDependencies with all that is missing
 */
export async function resolveDependencies(
  wanted: Pick<Wanted, 'parts' | 'profiles' | 'packages' | 'shared' | 'crossFor'>,
  { name, version, dsc }: { name: string; version: string; dsc?: Dsc | undefined },
  base: readonly LockedPackage[],
  { root, mirrors, signal }: Solving,
): Promise<{ base: LockedPackage[]; dependencies: LockedPackage[]; shared?: string[] }> {
  if (dsc === undefined && wanted.packages.length === 0) return { base: [...base], dependencies: [] };
  const folder = await mkdtemp(join(tmpdir(), 'slipway-apt-'));
  try {
    await writeFile(join(folder, 'status'), await installedStatus(root, base, signal));
    await writeFile(join(folder, 'wanted.dsc'), wantedDsc(wanted, dsc));
    const buildDep: [string, ...string[]] = [
      'apt-get',
      'build-dep',
      ...(wanted.crossFor === undefined ? [] : [`--host-architecture=${wanted.crossFor}`]),
      ...(wanted.profiles.length === 0 ? [] : [`--build-profiles=${wanted.profiles.join(',')}`]),
      ...['-o', `Dir::State::status=${join(folder, 'status')}`],
      // Its cache of these lists without anything installed stays.
      ...['-o', 'Dir::Cache::pkgcache='],
    ];
    const what =
      dsc === undefined ? `what ${name} wants` : `the build dependencies of ${dsc.name} ${version}`;
    const printed = await solve(root, what, [...buildDep, '--yes', '--print-uris', './wanted.dsc'], {
      signal,
      cwd: folder,
    });
    const dependencies = printedPackages(printed.stdout, mirrors);
    const gone = isGone(printed.stdout, dependencies, wanted.crossFor);
    const kept = base.filter((entry) => !gone(entry));
    // A base that lost something is not what others have, and may lack what these need.
    if (kept.length < base.length) return { base: kept, dependencies };
    const shared = await sharedPackages(wanted.shared, dependencies, root, signal);
    return { base: kept, dependencies, ...(shared.length === 0 ? {} : { shared }) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A package of the base goes where apt removes it or installs another version; not for one of another architecture. */
function isGone(printed: string, dependencies: readonly LockedPackage[], crossFor: string | undefined) {
  const gone = removedPackages(printed);
  for (const { package: name, architecture } of dependencies) if (architecture !== crossFor) gone.add(name);
  return ({ package: name }: LockedPackage) => gone.has(name);
}

/** Names under apt's heading, on lines that begin with two blanks; those of another architecture carry it. */
function removedPackages(printed: string): Set<string> {
  const list = /^The following packages will be REMOVED:\n((?: {2}.*\n)+)/m.exec(printed)?.[1] ?? '';
  return new Set(list.split(/\s+/).map((word) => word.replace(/\*$/, '')));
}

/** A dpkg status in which these packages are installed. */
async function installedStatus(
  root: AptRoot,
  packages: readonly LockedPackage[],
  signal: AbortSignal,
): Promise<string> {
  if (packages.length === 0) return '';
  const wanted = packages.map(({ package: name, version }) => `${name}=${version}`);
  const { stdout } = await root.run(['apt-cache', 'show', '--no-all-versions', ...wanted], { signal });
  return stdout.replaceAll(/^Package: .*$/gm, '$&\nStatus: install ok installed');
}

const ALWAYS = ['build-depends', 'build-conflicts'];

/** A .dsc that has the demanded part of the build dependencies, and the other wanted packages among them. */
function wantedDsc({ parts, packages }: Pick<Wanted, 'parts' | 'packages'>, dsc: Dsc | undefined): string {
  const names = [
    ...ALWAYS,
    ...(parts.includes('any') ? ALWAYS.map((name) => `${name}-arch`) : []),
    ...(parts.includes('all') ? ALWAYS.map((name) => `${name}-indep`) : []),
  ];
  const relations = new Map(names.map((name) => [name, dsc === undefined ? '' : relation(dsc, name)]));
  relations.set('build-depends', [relations.get('build-depends'), ...packages].filter(Boolean).join(', '));
  const source = dsc?.name ?? 'wanted';
  const fields = [
    ['Format', '1.0'],
    ['Source', source],
    ['Binary', source],
    ['Architecture', 'any all'],
    ['Version', dsc?.version ?? '0'],
    ['Maintainer', 'nobody <nobody@localhost>'],
    ...[...relations].filter(([, value]) => value !== ''),
  ];
  return fields.map(([name, value]) => `${name}: ${value}\n`).join('');
}

/** On one line, without the comma that a list may end with. */
function relation(dsc: Dsc, name: string): string {
  return (dsc.fields.get(name) ?? '').replaceAll('\n', ' ').trim().replace(/,$/, '');
}

async function solve(root: AptRoot, what: string, argv: [string, ...string[]], options: RunOptions) {
  try {
    return await root.run(argv, options);
  } catch (error) {
    if (error instanceof CommandFailed) throw unresolvable(error, what);
    throw error;
  }
}
