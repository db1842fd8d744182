import type { StepContext } from '../host/progress.ts';
import { CommandFailed, type RunOptions, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { FilesystemName } from '../schema/request.ts';
import type { RawDisk } from './raw-disk.ts';
import type { TreeSize } from './tree-size.ts';

const MIB = 1024 * 1024;

/** 24 hours: a disk of terabytes takes long to fill, and the caller's signal bounds it anyway. */
const TIME_LIMIT = 24 * 3600 * 1000;

export interface Mkfs {
  filesystem: FilesystemName;
  program: string;
  /** The Debian package that has the program. */
  debianPackage: string;
  disk: RawDisk;
  /**
   * Arguments in the order in which they are tried, the plain ones last: programs older or newer than those that the
   * options were chosen for may refuse one.
   */
  attempts: readonly (readonly string[])[];
  /** What is copied along. */
  tree?: TreeSize | undefined;
  run?: Pick<RunOptions, 'cwd' | 'env'>;
  /** Says where the program complains that the disk is too small: for the filesystem, or for the tree. */
  tooSmall: RegExp;
  /** The least disk that would do, MiB, as far as anybody can say. */
  leastMiB(error: CommandFailed): number;
}

/**
 * Makes a filesystem with the first arguments that its program takes.
 * @throws SlipwayFailure DiskFull, ScratchFull, HostUnfit; the signal's reason
 */
export async function mkfs(of: Mkfs, context: StepContext): Promise<void> {
  const [attempt, ...others] = of.attempts;
  if (attempt === undefined) throw new Error('no way to make a filesystem');
  try {
    await run([of.program, ...attempt], { ...of.run, signal: context.signal, timeout: TIME_LIMIT });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const failure = explain(error, of);
    // Programs have many words for an option that they do not know. What is not understood is tried without options.
    if (failure !== undefined || others.length === 0) throw failure ?? refused(error, of);
    context.report({ what: `${of.filesystem} with fewer options`, done: 0, unit: 'bytes' });
    await mkfs({ ...of, attempts: others }, context);
  }
}

/** Undefined where another attempt may do. */
function explain(error: CommandFailed, of: Mkfs): unknown {
  if (error.code === 'ENOENT') {
    const message = `${of.program} is not installed: install the Debian package ${of.debianPackage}`;
    return new SlipwayFailure('HostUnfit', message, { cause: error });
  }
  // Killed, or out of its time.
  if (error.exitCode === undefined) return error;
  const said = error.stderr + error.stdout;
  if (/No space left on device|Disk quota exceeded/.test(said)) {
    const message = `the host has no room for what the disk of the guest holds: ${error.message}`;
    return new SlipwayFailure('ScratchFull', message, { cause: error });
  }
  return of.disk.bytes < MIB || of.tooSmall.test(said) ? diskFull(error, of) : undefined;
}

function diskFull(error: CommandFailed, of: Mkfs): SlipwayFailure {
  const { tree, disk, filesystem } = of;
  if (tree !== undefined) return treeTooLarge(disk, tree, of.leastMiB(error), error);
  const message = `${filesystem} cannot be made on a disk of ${mib(disk)} MiB: it is too small`;
  return new SlipwayFailure('DiskFull', message, { advice: advice(of.leastMiB(error)), cause: error });
}

/** @param leastMiB of a disk that would do */
export function treeTooLarge(
  disk: RawDisk,
  tree: TreeSize,
  leastMiB: number,
  cause?: unknown,
): SlipwayFailure {
  const size = `${Math.ceil(tree.bytes / MIB)} MiB in ${tree.inodes} files`;
  const message = `the build root does not fit: ${size} on a disk of ${mib(disk)} MiB`;
  return new SlipwayFailure('DiskFull', message, { advice: advice(leastMiB), cause });
}

function advice(leastMiB: number): string {
  return `Raise resources.diskMiB to ${leastMiB} at the least, and by what the build itself needs.`;
}

function mib({ bytes }: RawDisk): number {
  return Math.floor(bytes / MIB);
}

function refused(cause: CommandFailed, { filesystem }: Mkfs): SlipwayFailure {
  return new SlipwayFailure('HostUnfit', `${filesystem} cannot be made: ${cause.message}`, { cause });
}
