import { upsertMemo, workflowInfo } from '@temporalio/workflow';
import type { Lease, ResolvedInputs, RootLayer, RootStart } from '../activities/contract.ts';
import type { FailureDetails } from '../schema/failures.ts';
import type { Artifact, BuildResult, Statistics, UsedKernel } from '../schema/result.ts';
import { making, publishing, running, undoing, uploading } from './activity-classes.ts';
import type { BuildProgress } from './build-progress.ts';
import { Compensations } from './compensations.ts';
import { LEASE_MEMO } from './names.ts';
import { INSTALLS, inAll, type Prepared, prepare } from './prepare.ts';
import { failureOf, isCancelled, isHostGone, verdict } from './verdict.ts';

/** What a round on a host made: of a failed build as much as there was. */
interface Made {
  failure?: FailureDetails;
  kernel?: UsedKernel;
  reused?: RootStart['reused'];
  artifacts: Artifact[];
  statistics: Pick<Statistics, 'install' | 'build' | 'downloadedBytes' | 'inputBytes'>;
}

/**
 * The steps on one host, from its lease to the result, of which everything then is in the store. Whatever happens, the
 * host is left clean, and its place is free before anything else is done.
 */
export async function round(
  lease: Lease,
  inputs: ResolvedInputs,
  progress: BuildProgress,
): Promise<BuildResult> {
  const compensations = new Compensations();
  const undo = (what: string) => undoing(lease, `${what} on ${lease.host}`);
  compensations.before('release the lease', () => undo('release the lease').releaseLease(lease));
  upsertMemo({ [LEASE_MEMO]: lease.id });
  progress.claimed(lease);
  try {
    compensations.before('delete the scratch', () => undo('delete the scratch').deleteScratch(lease));
    const made = await make(lease, inputs, progress, () =>
      compensations.before('kill the VM', () => undo('kill the VM').killVm(lease)),
    );
    progress.enter('upload');
    const files = made.artifacts.filter(({ kind }) => kind === 'file').length;
    const { log } = await whileStoreIsAway(progress, () =>
      uploading(lease, `${files} files and the log`).uploadArtifacts(lease, made.artifacts),
    );
    progress.enter('publish');
    return compose(lease, inputs, progress, made, log);
  } catch (error) {
    if (isHostGone(error)) compensations.abandon();
    throw error;
  } finally {
    await compensations.run();
  }
}

/** The commit point; any worker can do it. */
export async function publish(result: BuildResult, progress: BuildProgress): Promise<BuildResult> {
  const published = await whileStoreIsAway(progress, () => publishing(result.outcome).publishResult(result));
  return published.result;
}

/**
 * Does a step again for as long as only the store is away, also where the attempts of one activity are used up: what
 * was built is on the disk of its host and waits.
 */
async function whileStoreIsAway<T>(progress: BuildProgress, step: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      const done = await step();
      progress.goOn();
      return done;
    } catch (error) {
      const failure = failureOf(error);
      if (failure?.type !== 'StoreUnavailable' || isCancelled(error)) throw error;
      progress.wait(failure);
    }
  }
}

/** Runs the steps that make the artifacts; a failure of the package itself is an outcome. */
async function make(
  lease: Lease,
  inputs: ResolvedInputs,
  progress: BuildProgress,
  beforeVm: () => void,
): Promise<Made> {
  const made: Made = { artifacts: [], statistics: { downloadedBytes: 0, inputBytes: 0 } };
  try {
    const prepared = await prepare(lease, inputs, progress, made.statistics);
    made.kernel = prepared.kernel;
    made.reused = prepared.reused;
    beforeVm();
    const nonce = await boots(lease, inputs, progress, made, prepared);
    if (nonce === undefined) return made;
    progress.enter('extract');
    made.artifacts = await making(lease, 'from the raw disk').extractArtifacts(lease, inputs.request, nonce);
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined || verdict(failure) !== 'outcome' || isCancelled(error)) throw error;
    made.failure = failure;
  }
  return made;
}

/** Installs what the kept root lacks, then builds; the nonce of the build, or undefined where a boot ended in a failure. */
async function boots(
  lease: Lease,
  { request, lock, package: what }: ResolvedInputs,
  progress: BuildProgress,
  made: Made,
  { layers, kernel }: Prepared,
): Promise<string | undefined> {
  const boot = async (summary: string, phase: 'install' | 'build', layer?: RootLayer) => {
    progress.enter(phase);
    const outcome = await whileStoreIsAway(progress, () =>
      running(lease, summary, request.limits).runVm(lease, request, lock, phase, layer),
    );
    made.statistics[phase] = inAll(made.statistics[phase], outcome.statistics);
    if (outcome.failure !== undefined) made.failure = outcome.failure;
    return outcome;
  };
  for (const { layer, keep } of layers) {
    const { failure } = await boot(INSTALLS[layer], 'install', layer);
    if (failure !== undefined) return undefined;
    if (keep) await making(lease, 'keep it').keepRoot(lease, request, lock, layer, kernel);
  }
  const { failure, nonce } = await boot(`build ${what.name} ${what.version}`, 'build');
  return failure === undefined ? nonce : undefined;
}

function compose(
  lease: Lease,
  inputs: ResolvedInputs,
  progress: BuildProgress,
  made: Made,
  log: BuildResult['log'],
): BuildResult {
  const { workflowId, runId, startTime } = workflowInfo();
  return {
    version: 1,
    build: workflowId,
    run: runId,
    outcome: made.failure === undefined ? 'succeeded' : 'failed',
    ...(made.failure === undefined ? {} : { failure: made.failure }),
    request: inputs.request,
    package: inputs.package,
    lock: inputs.lock,
    log,
    artifacts: made.artifacts,
    host: lease.host,
    ...(made.kernel === undefined ? {} : { kernel: made.kernel }),
    ...(made.reused === undefined ? {} : { keptRoot: made.reused }),
    vm: lease.vm,
    startedAt: startTime.toISOString(),
    endedAt: new Date().toISOString(),
    statistics: {
      ...made.statistics,
      totalSeconds: (Date.now() - startTime.getTime()) / 1000,
      phaseSeconds: progress.phaseSeconds(),
      artifactBytes: made.artifacts.reduce((sum, { size }) => sum + size, 0),
    },
  };
}
