import type { StepContext } from '../../../host/progress.ts';
import { CommandFailed } from '../../../host/run.ts';
import type { Extractor } from './extractor.ts';
import { isBaseFiles, Layout } from './layout.ts';
import { findOverlaps, type Overlap } from './ownership.ts';
import type { PackageControl, PackageInput } from './package-control.ts';
import { largestFirst, PackageQueue, ready } from './package-queue.ts';
import { inParallel, PARALLEL } from './parallel.ts';
import type { Tree } from './tree.ts';
import { asFailure, type Begun, type Choose, PackageReading } from './unpack-package.ts';
import { toPath, type Unpacked } from './unpacked.ts';

export interface UnpackedTree {
  /** What lies in the tree, in the order of the list. */
  unpacked: readonly Unpacked[];
  /** Packages of which nothing does. */
  deferred: readonly PackageInput[];
  layout: Layout;
}

export interface Unpacking {
  /** Says of which packages nothing is unpacked; their control files are read all the same. */
  isDeferred: (control: PackageControl) => boolean;
  /** One after the other, and what two packages see differently is taken as dpkg does. */
  inOrder: boolean;
}

/**
 * Unpacks the files of packages into a tree, where two ship the same file that of the right one. What lies there in the
 * end depends on the packages and the order of their list alone, not on which of them is there first.
 * @throws OrderMatters where it would, unless `inOrder`
 */
export async function unpackPackages(
  tree: Tree,
  packages: readonly PackageInput[],
  { isDeferred, inOrder }: Unpacking,
  { signal, report }: StepContext,
): Promise<UnpackedTree> {
  const layout = new Layout(inOrder);
  const found = new Map<PackageInput, Unpacked>();
  const deferred = new Set<PackageInput>();
  const choose: Choose = (entry, control) => !deferred.has(control.file) && layout.takes(entry, control);
  const begun = (control: PackageControl) => {
    if (isDeferred(control)) deferred.add(control.file);
  };
  const done = (unpacked: Unpacked) => {
    const { file } = unpacked.control;
    found.set(file, unpacked);
    report({ what: file.package, done: found.size, total: packages.length, unit: 'packages' });
  };
  const unpack = async (files: readonly PackageInput[], wide: number) => {
    const lanes = Array.from({ length: Math.min(wide, files.length) });
    let queue: PackageQueue | undefined;
    await inParallel(lanes, signal, async (_, stop) => {
      // In order: whichever comes first must not be the first.
      queue ??= new PackageQueue(files, inOrder ? 1 : 2 * lanes.length, stop);
      await unpackInTurn(tree, queue, { choose, begun, done }, stop);
    });
  };
  await unpack(packages.filter(isBaseFiles), 1);
  const others = packages.filter((file) => !isBaseFiles(file));
  await unpack(inOrder ? others : largestFirst(others), inOrder ? 1 : PARALLEL);
  const direct = packages.filter((file) => !deferred.has(file)).flatMap((file) => found.get(file) ?? []);
  const unpacked = await giveToOwners(tree, direct, layout, signal);
  return { unpacked, deferred: packages.filter((file) => deferred.has(file)), layout };
}

/** One after the other, with one program that unpacks them all. */
async function unpackInTurn(
  tree: Tree,
  queue: PackageQueue,
  { choose, begun, done }: { choose: Choose; begun: Begun; done: (unpacked: Unpacked) => void },
  signal: AbortSignal,
): Promise<void> {
  const extractor = tree.extractor(signal);
  const readings: PackageReading[] = [];
  try {
    for (let next = await queue.next(); next !== undefined; next = await queue.next()) {
      const reading = new PackageReading(next.file, choose, begun);
      readings.push(reading);
      done(await reading.read(next.path, extractor, signal));
    }
    await extractor.end();
  } catch (error) {
    await extractor.abandon();
    throw extractor.failedWith(error) ? blame(readings, error) : error;
  }
}

/** What is written is unpacked a little later: which package the program speaks of is told by the name in its words. */
function blame(readings: readonly PackageReading[], error: unknown): unknown {
  const words = error instanceof CommandFailed ? error.stderr.split(/['\n:]/) : [];
  const paths = new Set(words.filter((word) => word.trim() !== '').map(pathIn));
  const guilty = readings.findLast(({ entries }) =>
    entries.some(({ path, member }) => member.kind !== 'folder' && paths.has(path)),
  );
  const some = readings.findLast(({ entries }) => entries.some(({ path }) => paths.has(path)));
  return asFailure((guilty ?? some ?? readings.at(-1))?.file ?? 'the packages', error);
}

function pathIn(word: string): string {
  try {
    return toPath(word.trim());
  } catch {
    return '';
  }
}

/** Of a file that two packages ship, whichever came first lies there now: puts the owner's in its place. */
async function giveToOwners(
  tree: Tree,
  unpacked: readonly Unpacked[],
  layout: Layout,
  signal: AbortSignal,
): Promise<Unpacked[]> {
  const overlaps = await findOverlaps(unpacked, signal);
  const missing = overlaps.filter(({ winner }) => layout.ownerOf(winner.path) !== winner.of.control.file);
  for (const [of, paths] of groupByPackage(missing)) {
    const extractor: Extractor = tree.extractor(signal);
    const reading = new PackageReading(of.control.file, ({ path }) => paths.has(path));
    try {
      const { path } = await ready(of.control.file, signal);
      await reading.read(path, extractor, signal);
      await extractor.end();
    } catch (error) {
      await extractor.abandon();
      throw extractor.failedWith(error) ? asFailure(of.control.file, error) : error;
    }
  }
  return unpacked.map((of) => {
    const lost = new Set(overlaps.filter((overlap) => loses(overlap, of)).map(({ loser }) => loser.path));
    return { ...of, entries: of.entries.filter(({ path }) => !lost.has(path)) };
  });
}

/** dpkg knows names, not places: a file that is named differently stays in both lists. */
function loses({ winner, loser }: Overlap, of: Unpacked): boolean {
  return loser.of === of && loser.path === winner.path;
}

function groupByPackage(overlaps: readonly Overlap[]): Map<Unpacked, Set<string>> {
  const groups = new Map<Unpacked, Set<string>>();
  for (const { winner } of overlaps) {
    const paths = groups.get(winner.of) ?? new Set();
    groups.set(winner.of, paths.add(winner.path));
  }
  return groups;
}
