import type { StepContext } from '../../../host/progress.ts';
import { CommandFailed } from '../../../host/run.ts';
import { SlipwayFailure } from '../../../schema/failures.ts';
import { findOverlaps, type Unpacked } from './ownership.ts';
import type { PackageControl, PackageFile } from './package-control.ts';
import { inParallel } from './parallel.ts';
import type { Tree } from './tree.ts';

/**
 * Unpacks the files of packages into a tree, where two ship the same file that of the right one.
 * @returns the packages in the given order, with the names of what belongs to them
 */
export async function unpackPackages(
  tree: Tree,
  controls: readonly PackageControl[],
  { signal, report }: StepContext,
): Promise<Unpacked[]> {
  const names = new Map<PackageControl, string[]>();
  const unpack = async (control: PackageControl, stop: AbortSignal) => {
    names.set(control, await unpackOne(tree, control.file, stop));
    report({ what: control.file.package, done: names.size, total: controls.length, unit: 'packages' });
  };
  // Others ship folders where base-files has links (/var/run): the links come first.
  for (const control of controls.filter(isBaseFiles)) await unpack(control, signal);
  await inParallel(
    controls.filter((control) => !isBaseFiles(control)),
    signal,
    unpack,
  );
  const unpacked = controls.map((control) => ({ control, names: names.get(control) ?? [] }));
  return giveToOwners(tree, unpacked, signal);
}

function isBaseFiles(control: PackageControl): boolean {
  return control.file.package === 'base-files';
}

/** Of a file that two packages ship, whichever came last lies there now: puts the owner's in its place. */
async function giveToOwners(tree: Tree, unpacked: Unpacked[], signal: AbortSignal): Promise<Unpacked[]> {
  const overlaps = await findOverlaps(unpacked, signal);
  for (const { name, winner } of overlaps) await unpackOne(tree, winner.control.file, signal, [name]);
  return unpacked.map((entry) => {
    const lost = new Set(overlaps.filter(({ loser }) => loser === entry).map(({ name }) => name));
    return { ...entry, names: entry.names.filter((name) => !lost.has(name)) };
  });
}

async function unpackOne(tree: Tree, file: PackageFile, signal: AbortSignal, members: string[] = []) {
  try {
    return await tree.unpack(['dpkg-deb', '--fsys-tarfile', file.path], signal, members);
  } catch (error) {
    throw asFailure(file, error);
  }
}

/** What a command's failure over a package means; `what` can be something else too. */
export function asFailure(what: PackageFile | string, error: unknown): unknown {
  if (!(error instanceof CommandFailed)) return error;
  const name = typeof what === 'string' ? what : `${what.package} ${what.version}`;
  if (error.code === 'ENOENT') return new SlipwayFailure('HostUnfit', error.message, { cause: error });
  if (/no space left|quota exceeded/i.test(error.stderr)) {
    return new SlipwayFailure('ScratchFull', `no room to unpack ${name}`, { cause: error });
  }
  // Killed, or out of its time: nothing is known of the package, and another attempt may do.
  if (error.exitCode === undefined) return error;
  return new SlipwayFailure('InputRejected', `${name} cannot be unpacked: ${error.message}`, {
    ...(typeof what === 'string' ? {} : { items: [what.package] }),
    cause: error,
  });
}
