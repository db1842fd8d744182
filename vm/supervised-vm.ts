import { statSync } from 'node:fs';
import { join } from 'node:path';
import { bootId, bootTime } from '../host/boot-time.ts';
import { nativeArchitectures } from './architectures.ts';
import { lastBeat } from './control-records.ts';
import {
  FILES,
  has,
  type MonitorCommand,
  readEnd,
  readStart,
  type StartRecord,
  writeRecord,
} from './folder.ts';
import { letGo } from './held.ts';
import { killAll } from './kill.ts';
import { launch } from './launch.ts';
import { isHeld } from './lock.ts';
import { appendDeadline } from './supervisor/deadline.ts';
import type { GuestSpec, Vm, VmEnd, VmStatus } from './vm.ts';

/** What makes a VM type one: everything else is the supervisor's. */
export interface VmKind extends Pick<Vm, 'type' | 'isolation'> {
  /** Default: those that this host runs without emulating another processor. */
  architectures?: Vm['architectures'];
  /** @throws SlipwayFailure HostUnfit where the host lacks what it needs */
  check(spec: GuestSpec): Promise<void>;
  monitor(spec: GuestSpec, folder: string): MonitorCommand;
  /** Whether its monitor puts processes into control groups of the host, which a namespace of such would hide. */
  ownControlGroups?: true;
}

/** A VM of that kind, kept by a supervisor of its own outside the caller's process tree. */
export function createSupervisedVm(kind: VmKind): Vm {
  return {
    type: kind.type,
    isolation: kind.isolation,
    architectures: kind.architectures ?? nativeArchitectures(),
    start: (folder, spec, deadline) => start(kind, folder, spec, deadline),
    status: async (folder) => status(folder),
    renew: async (folder, deadline) => renew(folder, deadline),
    kill: killVm,
  };
}

async function start(kind: VmKind, folder: string, spec: GuestSpec, deadline: number): Promise<void> {
  if (has(folder, 'started') || has(folder, 'killed')) return;
  await kind.check(spec);
  writeRecord(folder, 'start', {
    version: 1,
    bootId: bootId(),
    startedAt: bootTime(),
    deadline,
    spec,
    monitor: kind.monitor(spec, folder),
  });
  await launch(folder, { controlGroups: kind.ownControlGroups === true ? 'host' : 'own' });
}

/** `kill` of any VM, whatever type it is of: its folder says what it holds. */
export async function killVm(folder: string): Promise<void> {
  await killAll(folder);
  const holds = readStart(folder)?.monitor.holds;
  if (holds !== undefined) await letGo(holds);
}

function status(folder: string): VmStatus {
  const start = readStart(folder);
  if (start === undefined || !(has(folder, 'started') || has(folder, 'killed'))) {
    return { state: 'absent', seconds: 0, logBytes: 0 };
  }
  // In this order: a supervisor takes the lock, writes `started`, writes the end, lets go of the lock.
  const alive = isHeld(join(folder, FILES.lock));
  const logBytes = statSync(join(folder, FILES.log), { throwIfNoEntry: false })?.size ?? 0;
  const ended = readEnd(folder);
  if (ended !== undefined) {
    const { end, statistics } = ended;
    return { state: 'ended', seconds: statistics.seconds, logBytes, end, statistics };
  }
  if (!alive) return { state: 'ended', seconds: 0, logBytes, end: lost(folder, start) };
  return { state: 'running', seconds: bootTime() - start.startedAt, logBytes, ...sample(folder) };
}

/** Nobody runs it and nobody wrote how it ended. */
function lost(folder: string, start: StartRecord): VmEnd {
  if (start.bootId !== bootId()) {
    return { kind: 'broken', failure: 'HostRebooted', message: 'the host was rebooted while the VM ran' };
  }
  const why = has(folder, 'killed') ? 'the VM was killed' : 'the VM is gone: something ended its supervisor';
  return { kind: 'broken', failure: 'VmLost', message: why };
}

function sample(folder: string): Pick<VmStatus, 'sample'> {
  const beat = has(folder, 'control') ? lastBeat(join(folder, FILES.control)) : undefined;
  if (beat === undefined) return {};
  const mib = (kib: number) => Math.round(kib / 1024);
  return { sample: { memoryMiB: mib(beat.mem), diskMiB: mib(beat.disk), swapMiB: mib(beat.swap) } };
}

function renew(folder: string, deadline: number): void {
  if (!Number.isFinite(deadline)) throw new RangeError(`a deadline is a number of seconds, not ${deadline}`);
  if (has(folder, 'started')) appendDeadline(folder, deadline);
}
