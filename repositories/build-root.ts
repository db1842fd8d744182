import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailed } from '../host/run.ts';
import type { LockedPackage } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';
import type { AptRoot } from './apt-root.ts';
import type { Dsc } from './dsc.ts';
import { type Mirrors, printedPackages } from './packages.ts';
import { unresolvable } from './unmet.ts';

/**
 * Essential packages, and what every Debian build has (Policy 4.2). apt counts itself as essential; a build root that
 * the host fills needs neither it nor the dozen packages behind it.
 */
const BASE = ['?and(?essential,?not(?exact-name(apt)))', 'build-essential', 'fakeroot'];

const QUIET = ['-qq', '--yes', '--print-uris'];

/** @throws SlipwayFailure UnresolvableDependencies */
export async function resolveBase(
  root: AptRoot,
  mirrors: Mirrors,
  signal: AbortSignal,
): Promise<LockedPackage[]> {
  const { stdout } = await solve(
    root,
    'the base of the build root',
    ['apt-get', 'install', ...QUIET, ...BASE],
    signal,
  );
  return printedPackages(stdout, mirrors);
}

/**
 * What a source package needs beside the base, all of it in one call of apt's solver, as if the base were installed.
 * The base is returned too: build conflicts may take packages out of it, dependencies may replace some.
 * @throws SlipwayFailure UnresolvableDependencies with all that is missing
 */
export async function resolveDependencies(
  root: AptRoot,
  dsc: Dsc,
  base: readonly LockedPackage[],
  options: BuildRequest['recipe']['options'],
  mirrors: Mirrors,
  signal: AbortSignal,
): Promise<{ base: LockedPackage[]; dependencies: LockedPackage[] }> {
  await writeFile(join(root.directory, 'base-status'), await installedStatus(root, base, signal));
  await writeFile(join(root.directory, 'wanted.dsc'), wantedDsc(dsc, options));
  const buildDep: [string, ...string[]] = [
    'apt-get',
    'build-dep',
    ...(options.profiles.length === 0 ? [] : [`--build-profiles=${options.profiles.join(',')}`]),
    '-o',
    `Dir::State::status=${join(root.directory, 'base-status')}`,
  ];
  const what = `the build dependencies of ${dsc.name} ${dsc.version}`;
  const printed = await solve(root, what, [...buildDep, '--yes', '--print-uris', './wanted.dsc'], signal);
  const simulated = await solve(root, what, [...buildDep, '-qq', '--simulate', './wanted.dsc'], signal);
  const dependencies = printedPackages(printed.stdout, mirrors);
  const removed = new Set([...simulated.stdout.matchAll(/^Remv ([^\s:]+)/gm)].map(([, name]) => name));
  const replaced = new Set(dependencies.map(({ package: name }) => name));
  return {
    base: base.filter(({ package: name }) => !removed.has(name) && !replaced.has(name)),
    dependencies,
  };
}

/** A dpkg status in which these packages are installed. */
async function installedStatus(
  root: AptRoot,
  packages: readonly LockedPackage[],
  signal: AbortSignal,
): Promise<string> {
  const wanted = packages.map(({ package: name, version }) => `${name}=${version}`);
  const { stdout } = await root.run(['apt-cache', 'show', '--no-all-versions', ...wanted], { signal });
  return stdout.replaceAll(/^Package: .*$/gm, '$&\nStatus: install ok installed');
}

const ALWAYS = ['build-depends', 'build-conflicts'];

/** A .dsc that has the demanded part of the build dependencies, and the extra packages among them. */
function wantedDsc(dsc: Dsc, options: BuildRequest['recipe']['options']): string {
  const names = [
    ...ALWAYS,
    ...(options.parts.includes('any') ? ALWAYS.map((name) => `${name}-arch`) : []),
    ...(options.parts.includes('all') ? ALWAYS.map((name) => `${name}-indep`) : []),
  ];
  const relations = new Map(names.map((name) => [name, relation(dsc, name)]));
  relations.set(
    'build-depends',
    [relations.get('build-depends'), ...options.extraPackages].filter(Boolean).join(', '),
  );
  const fields = [
    ['Format', '1.0'],
    ['Source', dsc.name],
    ['Binary', dsc.name],
    ['Architecture', 'any all'],
    ['Version', dsc.version],
    ['Maintainer', 'nobody <nobody@localhost>'],
    ...[...relations].filter(([, value]) => value !== ''),
  ];
  return fields.map(([name, value]) => `${name}: ${value}\n`).join('');
}

/** On one line, without the comma that a list may end with. */
function relation(dsc: Dsc, name: string): string {
  return (dsc.fields.get(name) ?? '').replaceAll('\n', ' ').trim().replace(/,$/, '');
}

async function solve(root: AptRoot, what: string, argv: [string, ...string[]], signal: AbortSignal) {
  try {
    return await root.run(argv, { signal });
  } catch (error) {
    if (error instanceof CommandFailed) throw unresolvable(error, what);
    throw error;
  }
}
