import { run } from '../../../host/run.ts';
import { SlipwayFailure } from '../../../schema/failures.ts';
import type { PackageControl } from './package-control.ts';
import { placeOf, type Unpacked } from './unpacked.ts';

/** A file that two packages ship, and which one it belongs to. */
export interface Overlap {
  /** As each of them names it: `/bin/x` may lie where `/usr/bin/x` does. */
  winner: { of: Unpacked; path: string };
  loser: { of: Unpacked; path: string };
}

/**
 * Finds the files that more than one package ships. The one that Replaces the other keeps the file, as with dpkg; two
 * that replace each other, or that name the file differently: the later one of the list. Packages of one name for several
 * architectures share what is the same.
 * @throws SlipwayFailure InstallFailed where neither replaces the other, or what is shared differs: dpkg would refuse to
 *   unpack it
 */
export async function findOverlaps(packages: readonly Unpacked[], signal: AbortSignal): Promise<Overlap[]> {
  const owners = new Map<string, Overlap['winner']>();
  const overlaps: Overlap[] = [];
  const shared = sharedFiles();
  for (const of of packages) {
    for (const { path, member } of of.entries) {
      if (member.kind === 'folder') continue;
      const later = { of, path };
      const earlier = owners.get(placeOf(path));
      if (earlier === undefined || earlier.of === of) {
        owners.set(placeOf(path), later);
        continue;
      }
      if (shared(earlier.of.control, of.control, path)) continue;
      const winner = await choose(earlier, later, signal);
      overlaps.push({ winner, loser: winner === later ? earlier : later });
      owners.set(placeOf(path), winner);
    }
  }
  return overlaps;
}

/** Whether two packages share a file, as those do that say so for each architecture (`Multi-Arch: same`). */
function sharedFiles() {
  const known = new Map<PackageControl, Map<string, string>>();
  const sums = (control: PackageControl) => {
    const found = known.get(control) ?? md5sums(control);
    known.set(control, found);
    return found;
  };
  return (a: PackageControl, b: PackageControl, path: string): boolean => {
    const same = a.file.package === b.file.package && [a, b].every(isMultiArchSame);
    if (!same) return false;
    const [one, other] = [sums(a).get(path), sums(b).get(path)];
    if (one === undefined || other === undefined || one === other) return true;
    throw new SlipwayFailure('InstallFailed', `${path} of ${a.id} and of ${b.id} are different files`, {
      items: [a.id, b.id],
    });
  };
}

function isMultiArchSame({ fields }: PackageControl): boolean {
  return fields.get('Multi-Arch') === 'same';
}

function md5sums({ members }: PackageControl): Map<string, string> {
  const text = members.get('md5sums')?.content.toString('latin1') ?? '';
  return new Map(text.split('\n').map((line) => [`/${line.slice(34)}`, line.slice(0, 32)]));
}

async function choose(earlier: Overlap['winner'], later: Overlap['winner'], signal: AbortSignal) {
  const [a, b] = [earlier.of.control, later.of.control];
  // dpkg knows names, not places.
  if (earlier.path !== later.path) return later;
  if (await replaces(b, a, signal)) return later;
  if (await replaces(a, b, signal)) return earlier;
  const names = [a.file.package, b.file.package] as const;
  throw new SlipwayFailure(
    'InstallFailed',
    `both ${names[0]} and ${names[1]} ship ${later.path}, and neither replaces the other`,
    { items: [...names] },
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
