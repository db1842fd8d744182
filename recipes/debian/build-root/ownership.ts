import { run } from '../../../host/run.ts';
import { SlipwayFailure } from '../../../schema/failures.ts';
import type { PackageControl } from './package-control.ts';

/** What a package brought into the tree. */
export interface Unpacked {
  control: PackageControl;
  /** Names of the archive as it has them: `./usr/`, `./usr/bin/hello`. */
  names: readonly string[];
}

/** A file that two packages ship, and which one it belongs to. */
export interface Overlap {
  name: string;
  winner: Unpacked;
  loser: Unpacked;
}

/**
 * Finds the files that more than one package ships. The one that Replaces the other keeps the file, as with dpkg; two
 * that replace each other: the later one.
 * @throws SlipwayFailure InstallFailed where neither replaces the other: dpkg would refuse to unpack it
 */
export async function findOverlaps(packages: readonly Unpacked[], signal: AbortSignal): Promise<Overlap[]> {
  const owners = new Map<string, Unpacked>();
  const overlaps: Overlap[] = [];
  for (const later of packages) {
    for (const name of later.names) {
      if (name.endsWith('/')) continue;
      const earlier = owners.get(name);
      if (earlier === undefined || earlier === later) {
        owners.set(name, later);
        continue;
      }
      const winner = await choose(earlier, later, name, signal);
      overlaps.push({ name, winner, loser: winner === later ? earlier : later });
      owners.set(name, winner);
    }
  }
  return overlaps;
}

async function choose(earlier: Unpacked, later: Unpacked, name: string, signal: AbortSignal) {
  if (await replaces(later.control, earlier.control, signal)) return later;
  if (await replaces(earlier.control, later.control, signal)) return earlier;
  const [a, b] = [earlier.control.file.package, later.control.file.package];
  throw new SlipwayFailure(
    'InstallFailed',
    `both ${a} and ${b} ship ${name.slice(1)}, and neither replaces the other`,
    { items: [a, b] },
  );
}

async function replaces(
  winner: PackageControl,
  loser: PackageControl,
  signal: AbortSignal,
): Promise<boolean> {
  const provided = (loser.fields.get('Provides') ?? '').split(',').map((word) => word.trim().split(' ')[0]);
  for (const relation of (winner.fields.get('Replaces') ?? '').split(',')) {
    const match = /^\s*([a-z0-9+.-]+)(?::[a-z0-9-]+)?(?:\s*\(\s*(<<|<=|=|>=|>>)\s*(\S+?)\s*\))?\s*$/.exec(
      relation,
    );
    if (match === null) continue;
    const [, name, operator, version] = match;
    if (name !== loser.file.package) {
      if (provided.includes(name)) return true;
      continue;
    }
    if (operator === undefined || version === undefined) return true;
    const comparison = ['dpkg', '--compare-versions', loser.file.version, operator, version] as const;
    if ((await run(comparison, { signal, accept: [1] })).exitCode === 0) return true;
  }
  return false;
}
