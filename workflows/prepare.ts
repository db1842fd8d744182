import { CancellationScope } from '@temporalio/workflow';
import type { Lease, ResolvedInputs, RootLayer, RootStart } from '../activities/contract.ts';
import type { FailureType } from '../schema/failures.ts';
import type { InputPart } from '../schema/lock.ts';
import type { UsedKernel, VmStatistics } from '../schema/result.ts';
import { fetching, making, starting } from './activity-classes.ts';
import type { BuildProgress } from './build-progress.ts';
import { failureOf } from './verdict.ts';

/** A disk and what it takes to have the whole build root on it. */
export interface Prepared extends RootStart {
  kernel: UsedKernel;
}

/** What was brought onto the host. */
export interface Fetched {
  downloadedBytes: number;
  inputBytes: number;
}

/**
 * From a lock to a disk that boots: what every build needs is fetched; then the host says what it keeps of the build
 * root, and only what is missing is fetched and unpacked.
 * @param fetched is added to
 */
export async function prepare(
  lease: Lease,
  inputs: ResolvedInputs,
  progress: BuildProgress,
  fetched: Fetched,
): Promise<Prepared> {
  const { request, lock } = inputs;
  const fetch = async (what: string, parts: InputPart[]) => {
    progress.enter('fetch');
    const { downloadedBytes, inputBytes } = await fetching(lease, what).fetchInputs(lease, lock, parts);
    fetched.downloadedBytes += downloadedBytes;
    fetched.inputBytes += inputBytes;
  };
  await fetch('source and kernel', ['guest']);
  progress.enter('image');
  const { diskMiB, swapMiB } = request.resources;
  const summary = `disk ${diskMiB} MiB, swap ${swapMiB} MiB, kept build root`;
  const prepared = await starting(lease, summary).createImage(lease, request, lock);
  progress.startsFrom(prepared.reused);
  const [first] = prepared.layers;
  if (first === undefined) return prepared;
  const { layer } = first;
  const packages: InputPart[] = layer === 'rest' ? ['dependencies'] : ['base', 'dependencies'];
  const fetchPackages = () => fetch(`packages, of ${inputs.files} files in all`, packages);
  if (layer === 'rest') {
    await fetchPackages();
    return prepared;
  }
  const what = layer === 'base' ? 'unpack the base, run nothing' : 'unpack the build root, run nothing';
  // Each package is unpacked as soon as it is there.
  await together(() => {
    const unpack = () => making(lease, what).preinstall(lease, request, lock, layer);
    const fetched = fetchPackages().then(() => progress.enter('preinstall'));
    const unpacked = unpack().catch(async (error) => {
      if (!FETCH_FAILURES.includes(failureOf(error)?.type ?? '')) throw error;
      // Fetching is the more patient of the two, and names all that is missing.
      await fetched;
      return unpack();
    });
    return [fetched, unpacked];
  });
  return prepared;
}

const FETCH_FAILURES: readonly string[] = [
  'DownloadFailed',
  'InputsGone',
  'InputRejected',
  'StoreUnavailable',
] satisfies FailureType[];

/** Steps beside each other: where one fails the others are cancelled and waited for. */
async function together(begin: () => readonly Promise<unknown>[]): Promise<void> {
  const scope = new CancellationScope();
  await scope.run(async () => {
    const running = begin();
    try {
      await Promise.all(running);
    } catch (error) {
      scope.cancel();
      await Promise.allSettled(running);
      throw error;
    }
  });
}

/** What an operator reads of a boot that installs. */
export const INSTALLS: Record<RootLayer, string> = {
  whole: 'install the build root',
  base: 'install the base',
  rest: 'install the rest of the build root',
};

/** Two boots of one phase as one: times and requests add up, peaks do not. */
export function inAll(before: VmStatistics | undefined, after: VmStatistics): VmStatistics {
  if (before === undefined) return after;
  const sum = (name: keyof VmStatistics) => before[name] + after[name];
  const peak = (name: keyof VmStatistics) => Math.max(before[name], after[name]);
  return {
    seconds: sum('seconds'),
    bootSeconds: sum('bootSeconds'),
    commandSeconds: sum('commandSeconds'),
    peakMemoryMiB: peak('peakMemoryMiB'),
    peakDiskMiB: peak('peakDiskMiB'),
    peakSwapMiB: peak('peakSwapMiB'),
    readRequests: sum('readRequests'),
    writeRequests: sum('writeRequests'),
    readSectors: sum('readSectors'),
    writtenSectors: sum('writtenSectors'),
    logBytes: sum('logBytes'),
  };
}
