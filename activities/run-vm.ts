import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context, log } from '@temporalio/activity';
import type { StepContext } from '../host/progress.ts';
import type { BuildRequest } from '../schema/request.ts';
import { endOrTime } from '../vm/folder.ts';
import { type GuestSpec, VM_FILES, type Vm, type VmStatus } from '../vm/vm.ts';
import { logStream } from '../workflows/names.ts';
import { activity } from './activity.ts';
import { Attempt } from './attempt.ts';
import { type Booted, bootName, bootOf, incomingOf, specOf } from './boot.ts';
import type { HostActivities, Lease, RootLayer, VmOutcome, VmProgress } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { inTurn } from './in-turn.ts';
import { leaseUse } from './lease-use.ts';
import { LogCopier } from './log-copier.ts';
import { filesystemOf, readLock, scratchOf, vmOf } from './on-host.ts';
import { type ExplainInstall, vmOutcome } from './vm-outcome.ts';

const LOOK_MILLISECONDS = 500;

type Phase = GuestSpec['phase'];

/** A boot and what waits for it. */
interface Watched {
  vm: Vm;
  folder: string;
  spec: GuestSpec;
  explainInstall: ExplainInstall;
  copier: LogCopier;
  attempt: Attempt;
}

/**
 * Boots the guest for a phase, or finds the one that an earlier attempt booted, and waits for its end. The VM outlives
 * the worker: an attempt that is stopped kills it only where the build is cancelled or has moved on.
 */
export function runVm(dependencies: Dependencies): HostActivities['runVm'] {
  return activity(
    (_lease, _request, _lock, phase) => phase,
    async (
      context: StepContext,
      lease: Lease,
      request: BuildRequest,
      lock: string,
      phase: Phase,
      layer?: RootLayer,
    ) => {
      const watched = await begin(dependencies, context, lease, request, lock, { phase, layer });
      const outcome = await waitForEnd(watched, lease, context);
      // Who waits for this root need not wait until the lease is gone.
      if (phase === 'install' && outcome.failure !== undefined)
        await dependencies.buildRoots.giveUp(lease.id);
      return outcome;
    },
  );
}

async function begin(
  dependencies: Dependencies,
  context: StepContext,
  lease: Lease,
  request: BuildRequest,
  digest: string,
  booted: Booted,
): Promise<Watched> {
  const { store, recipes, guests } = dependencies;
  const scratch = await scratchOf(dependencies, lease);
  const vm = vmOf(dependencies, lease);
  const name = bootName(booted);
  const folder = scratch.vm(name);
  const stream = logStream(Context.current().info.workflowExecution?.runId ?? '');
  const attempt = new Attempt(Context.current(), lease.graceSeconds);
  // Before anything is started or adopted: a thawed worker finds out here that another attempt has begun.
  await attempt.beat();
  // A VM that an earlier attempt left lives on from here: what is read below may take longer than its deadline.
  if ((await vm.status(folder)).state === 'running') await vm.renew(folder, attempt.deadline());
  const boot = await bootOf(scratch, name, () => store.logSize(stream));
  const lock = await readLock(dependencies, digest);
  const recipe = recipes[request.recipe.kind];
  const on = { ...(await dependencies.disks.find(scratch)), filesystem: filesystemOf(dependencies, request) };
  const plan = recipe.plan(request, lock);
  const incoming = incomingOf(plan, lock, booted);
  const spec = specOf(scratch, on, request, plan, booted, boot);
  const start = async () => {
    context.signal.throwIfAborted();
    if ((await vm.status(folder)).state !== 'absent') return;
    const handedIn =
      incoming === undefined
        ? spec
        : { ...spec, incoming: await guests.handIn(scratch, on.swap, incoming, context) };
    await guests.writeInitramfs(scratch, handedIn);
    // Handing in may have taken long: whether this attempt still counts, and a deadline from now on.
    await attempt.beat();
    await vm.start(folder, handedIn, attempt.deadline());
  };
  // Two attempts must not write into one swap.
  if ((await vm.status(folder)).state === 'absent') await inTurn(lease.id, start);
  const copier = new LogCopier(store, stream, join(folder, VM_FILES.log), boot.logBase);
  const explainInstall: ExplainInstall = (title, lines) => recipe.explainInstallFailure(lock, title, lines);
  return { vm, folder, spec, explainInstall, copier, attempt };
}

async function waitForEnd(watched: Watched, lease: Lease, context: StepContext): Promise<VmOutcome> {
  const { vm, folder, spec, attempt, explainInstall } = watched;
  const ended = new AbortController();
  let latest: VmProgress | undefined;
  const report = (status: VmStatus) => {
    latest = progressOf(spec.phase, status);
    context.report(latest);
  };
  const beating = attempt.keepBeating(
    () => latest,
    (deadline) => vm.renew(folder, deadline),
    AbortSignal.any([ended.signal, context.signal]),
  );
  try {
    const status = await lookUntilEnd(watched, report, context.signal);
    return await vmOutcome(spec, status, folder, explainInstall);
  } catch (error) {
    if (context.signal.aborted) await stop(vm, folder, lease);
    throw error;
  } finally {
    ended.abort();
    await beating;
  }
}

/** Returns once the VM has ended and the whole log is in the store. */
async function lookUntilEnd(
  { vm, folder, copier, attempt }: Watched,
  report: (status: VmStatus) => void,
  signal: AbortSignal,
): Promise<VmStatus> {
  for (;;) {
    // First the state, then the log: what an ended VM has written is all there.
    const status = await vm.status(folder);
    report(status);
    const isOver = status.state !== 'running';
    const copied = await copier
      .copy(() => attempt.isCurrent() && !signal.aborted)
      .catch((error: unknown) => {
        // While the VM runs its log waits on the host's disk for the store to come back.
        if (isOver) throw error;
        log.warn('the log could not be copied into the store', { error });
        return false;
      });
    if (isOver && copied) return status;
    if (isOver) await sleep(LOOK_MILLISECONDS, undefined, { signal });
    else await endOrTime(folder, LOOK_MILLISECONDS, signal);
  }
}

function progressOf(phase: Phase, { seconds, logBytes, sample }: VmStatus): VmProgress {
  return {
    what: phase,
    done: seconds,
    unit: 'seconds',
    phase,
    seconds,
    logBytes,
    ...(sample === undefined ? {} : { sample }),
  };
}

/**
 * What an attempt does when told to stop: the deadline bounds a VM that is left and that nobody comes back for.
 */
async function stop(vm: Vm, folder: string, lease: Lease): Promise<void> {
  const { cancellationDetails, client, info } = Context.current();
  if (cancellationDetails?.cancelRequested) return vm.kill(folder);
  const isLost = cancellationDetails?.notFound || cancellationDetails?.timedOut;
  if (!isLost || info.workflowExecution === undefined) return;
  try {
    const use = await leaseUse(client, info.workflowExecution, lease.id);
    if (use === 'abandoned') await vm.kill(folder);
  } catch (error) {
    log.warn('could not find out whether the build goes on; its VM is left to its deadline', { error });
  }
}
