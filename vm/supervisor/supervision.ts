import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readHeader } from '../../extraction/letter-box-header.ts';
import { bootTime } from '../../host/boot-time.ts';
import { ControlReader } from '../control-records.ts';
import { FILES, type StartRecord, writeRecord } from '../folder.ts';
import type { VmEnd } from '../vm.ts';
import { latestDeadline } from './deadline.ts';
import { GuestRecord } from './guest-record.ts';
import type { Monitor } from './monitor.ts';
import { verdict } from './verdict.ts';
import { type Cause, judge, type Observation } from './watchdogs.ts';

/** Milliseconds between two looks at the files of the VM. */
const LOOK = 200;

/** One VM from its start to its end: looks at what it does, judges, ends it, writes down how it ended. */
export class Supervision {
  readonly #folder: string;
  readonly #start: StartRecord;
  readonly #control: ControlReader;
  readonly #guest: GuestRecord;
  /** Seconds of the monotonic clock at which the VM was asked for. */
  readonly #zero: number;
  #deadline: number;
  #poweredOffAt: number | undefined;
  #log = { bytes: 0, at: 0 };

  constructor(folder: string, start: StartRecord) {
    this.#folder = folder;
    this.#start = start;
    this.#control = new ControlReader(join(folder, FILES.control));
    this.#guest = new GuestRecord(start.spec.nonce);
    this.#zero = performance.now() / 1000 - (bootTime() - start.startedAt);
    this.#deadline = start.deadline;
  }

  /** Returns why the VM is to end, or has ended. @param wake settles at the next thing that the monitor says */
  async watch(monitor: Monitor, wake: () => Promise<void>): Promise<Cause> {
    for (;;) {
      await Promise.race([wake(), new Promise((resolve) => setTimeout(resolve, LOOK))]);
      const cause = this.#look(monitor);
      if (cause !== undefined) return cause;
    }
  }

  /** How it ended, once nothing of the monitor is left that could still write. */
  async judge(cause: Cause): Promise<VmEnd> {
    const { spec } = this.#start;
    this.#guest.take(this.#control.read(), this.#now());
    const tooLong = this.#size('log') > spec.limits.logBytes;
    if (tooLong) truncateSync(join(this.#folder, FILES.log), spec.limits.logBytes);
    const why: Cause = tooLong
      ? { failure: 'LogLimitExceeded', message: `the log is larger than ${spec.limits.logBytes} bytes` }
      : cause;
    return verdict(await readHeader(spec.swap, { phase: spec.phase, nonce: spec.nonce }), why, spec);
  }

  /** Writes down how it ended; after this nobody looks at the supervisor any more. */
  record(end: VmEnd): void {
    const logBytes = Math.min(this.#size('log'), this.#start.spec.limits.logBytes);
    writeRecord(this.#folder, 'end', {
      version: 1,
      end,
      statistics: this.#guest.statistics(this.#now(), logBytes),
    });
  }

  #look(monitor: Monitor): Cause | undefined {
    // In this order: what QEMU said before it went was read when it is seen to be gone, and what the guest wrote too.
    const gone = monitor.isGone;
    const observation = this.#observe(monitor);
    return said(monitor) ?? judge(observation, this.#start.spec) ?? (gone ? ended(monitor) : undefined);
  }

  #observe(monitor: Monitor): Observation {
    const now = this.#now();
    this.#guest.take(this.#control.read(), now);
    this.#deadline = latestDeadline(this.#folder, this.#deadline);
    if (monitor.state.poweredOff) this.#poweredOffAt ??= now;
    const logBytes = this.#size('log');
    if (logBytes > this.#log.bytes) this.#log = { bytes: logBytes, at: now };
    return {
      now,
      helloAt: this.#guest.helloAt,
      heardAt: this.#guest.heardAt,
      doneAt: this.#guest.doneAt ?? this.#poweredOffAt,
      logAt: Math.max(this.#log.at, this.#guest.beganAt ?? this.#guest.helloAt ?? now),
      logBytes,
      consoleBytes: this.#size('console'),
      controlBytes: this.#size('control'),
      untilDeadline: this.#deadline - bootTime(),
    };
  }

  #now(): number {
    return performance.now() / 1000 - this.#zero;
  }

  #size(file: 'log' | 'console' | 'control'): number {
    return statSync(join(this.#folder, FILES[file])).size;
  }
}

/** What QEMU's own word means. */
function said({ state }: Monitor): Cause | undefined {
  if (state.ioError !== undefined) {
    const { device, noSpace, reason } = state.ioError;
    return noSpace
      ? { failure: 'ScratchFull', message: `the host has no room left for the guest's ${device || 'disk'}` }
      : {
          failure: 'VmLost',
          message: `the host failed to read or write the guest's ${device || 'disk'}: ${reason}`,
        };
  }
  if (state.panicked) return { failure: 'GuestCrashed', message: 'kernel panic of the guest' };
  if (state.reset) return { failure: 'GuestCrashed', message: 'the guest reset itself' };
  return undefined;
}

/** What it means that QEMU is gone. */
function ended(monitor: Monitor): Cause {
  if (monitor.state.poweredOff) {
    return { failure: 'NoStatus', message: 'the guest powered off without a valid status' };
  }
  const how = `${monitor.ending}${monitor.said === '' ? '' : `: ${monitor.said}`}`;
  return monitor.state.greeted
    ? { failure: 'GuestCrashed', message: `${monitor.name} ended (${how})` }
    : { failure: 'HostUnfit', message: `${monitor.name} could not start the guest (${how})` };
}

/** Holds back room for the end on a disk that may be full by then. */
export function reserve(folder: string): void {
  writeFileSync(join(folder, FILES.reserve), Buffer.alloc(16_384, 1), { mode: 0o600 });
}
