import type { FailureType } from '../../schema/failures.ts';
import type { GuestSpec } from '../vm.ts';

/** What the supervisor sees of a VM at one moment. Times in seconds since it took the VM on, of a clock that nobody
 * sets and that stands still while the host is suspended. */
export interface Observation {
  now: number;
  /** When the guest said its first word. */
  helloAt: number | undefined;
  /** When the last valid record came. */
  heardAt: number;
  /** When the guest said that the letter box is written, or QEMU that the guest powered off. */
  doneAt: number | undefined;
  /** When the log last grew, or the commands began. */
  logAt: number;
  logBytes: number;
  consoleBytes: number;
  controlBytes: number;
  /** Seconds of the boot-time clock that are left until the deadline. */
  untilDeadline: number;
}

/** Why a VM is ended. Absent failure: it had its say and only would not power off. */
export interface Cause {
  failure: FailureType;
  message: string;
}

/** Bytes of the console and of the control records, each: a guest that writes more is not one that builds. */
export const MAX_SIDE_BYTES = 64 * 1024 * 1024;

/** Seconds from the guest's last word to the end of QEMU. */
export const POWER_OFF_SECONDS = 10;

/** The first watchdog that a VM has run into. */
export function judge(seen: Observation, spec: Pick<GuestSpec, 'limits' | 'phase'>): Cause | undefined {
  const { limits } = spec;
  if (seen.logBytes > limits.logBytes) {
    return { failure: 'LogLimitExceeded', message: `the log is larger than ${limits.logBytes} bytes` };
  }
  if (seen.untilDeadline <= 0) {
    return {
      failure: 'VmLost',
      message: 'nobody renewed the deadline of the VM: its worker or Temporal was away for too long',
    };
  }
  if (seen.consoleBytes > MAX_SIDE_BYTES || seen.controlBytes > MAX_SIDE_BYTES) {
    const which = seen.consoleBytes > MAX_SIDE_BYTES ? 'console' : 'control port';
    return {
      failure: 'LogLimitExceeded',
      message: `the guest wrote more than ${MAX_SIDE_BYTES} bytes to its ${which}`,
    };
  }
  if (seen.doneAt !== undefined) {
    // Whether it left a status is for the letter box to say; this is what it comes to where there is none.
    return seen.now - seen.doneAt > POWER_OFF_SECONDS
      ? {
          failure: 'NoStatus',
          message: 'the guest said that it was done, left no valid status and did not power off',
        }
      : undefined;
  }
  return silence(seen, spec) ?? overtime(seen, limits);
}

function silence(
  seen: Observation,
  { limits, phase }: Pick<GuestSpec, 'limits' | 'phase'>,
): Cause | undefined {
  if (seen.helloAt === undefined) {
    return seen.now > limits.bootSeconds
      ? {
          failure: 'BootTimedOut',
          message: `the guest did not reach userland within ${limits.bootSeconds} s`,
        }
      : undefined;
  }
  if (seen.now - seen.heardAt > limits.heartbeatSeconds) {
    return {
      failure: 'GuestHung',
      message: `the guest gave no sign of life for ${limits.heartbeatSeconds} s`,
    };
  }
  if (seen.now - seen.logAt <= limits.logSilenceSeconds) return undefined;
  // The guest itself is alive, so a package's script hangs: an outcome in both phases, each under its own name.
  return phase === 'install'
    ? {
        failure: 'InstallFailed',
        message: `the installation printed nothing for ${limits.logSilenceSeconds} s: a package's script hangs`,
      }
    : { failure: 'BuildStalled', message: `the build printed nothing for ${limits.logSilenceSeconds} s` };
}

function overtime(seen: Observation, limits: GuestSpec['limits']): Cause | undefined {
  return seen.now > limits.totalSeconds
    ? { failure: 'BuildTimedOut', message: `the VM ran for longer than ${limits.totalSeconds} s` }
    : undefined;
}
