import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
 * that replace each other: the later one. Packages of one name for several architectures share what is the same.
 * @throws SlipwayFailure InstallFailed where neither replaces the other, or what is shared differs: dpkg would refuse to
 *   unpack it
 */
export async function findOverlaps(packages: readonly Unpacked[], signal: AbortSignal): Promise<Overlap[]> {
  const owners = new Map<string, Unpacked>();
  const overlaps: Overlap[] = [];
  const shared = sharedFiles();
  for (const later of packages) {
    for (const name of later.names) {
      if (name.endsWith('/')) continue;
      const earlier = owners.get(name);
      if (earlier === undefined || earlier === later) {
        owners.set(name, later);
        continue;
      }
      if (await shared(earlier.control, later.control, name)) continue;
      const winner = await choose(earlier, later, name, signal);
      overlaps.push({ name, winner, loser: winner === later ? earlier : later });
      owners.set(name, winner);
    }
  }
  return overlaps;
}

/** Whether two packages share a file, as those do that say so for each architecture (`Multi-Arch: same`). */
function sharedFiles() {
  const known = new Map<PackageControl, Map<string, string>>();
  const sums = async (control: PackageControl) => {
    const found = known.get(control) ?? (await md5sums(control));
    known.set(control, found);
    return found;
  };
  return async (a: PackageControl, b: PackageControl, name: string): Promise<boolean> => {
    const same = a.file.package === b.file.package && [a, b].every(isMultiArchSame);
    if (!same) return false;
    const path = name.replace(/^\.?\//, '');
    const [one, other] = [(await sums(a)).get(path), (await sums(b)).get(path)];
    if (one === undefined || other === undefined || one === other) return true;
    throw new SlipwayFailure('InstallFailed', `/${path} of ${a.id} and of ${b.id} are different files`, {
      items: [a.id, b.id],
    });
  };
}

function isMultiArchSame({ fields }: PackageControl): boolean {
  return fields.get('Multi-Arch') === 'same';
}

async function md5sums(control: PackageControl): Promise<Map<string, string>> {
  if (!control.members.includes('md5sums')) return new Map();
  const text = await readFile(join(control.folder, 'md5sums'), 'utf8');
  return new Map(text.split('\n').map((line) => [line.slice(34), line.slice(0, 32)]));
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
