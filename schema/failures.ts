/**
 * The typed failures: what can go wrong with a build, in which family, and what follows from it.
 * Names are public API (services branch on them) and never change their meaning.
 * Plain TypeScript without imports, so that workflow code can use it.
 */

/** What follows from a failure. `request`: not retried; `package`: an outcome of the build, not an outage, not
 * retried; `guest`: one more try, elsewhere if there is an elsewhere; `host`: waited for or retried with back-off. */
export type FailureFamily = 'request' | 'package' | 'guest' | 'host';

export const FAILURES = {
  InvalidRequest: { family: 'request', advice: 'Correct the named fields and start the build again.' },
  UnresolvableDependencies: {
    family: 'request',
    advice: 'Add a repository that has the named packages, or correct the build dependencies.',
  },
  InputRejected: {
    family: 'request',
    advice: 'A signature, checksum, size or date is wrong: check the named file and where it came from.',
  },
  BuildFailed: { family: 'package', advice: 'Read the end of the build log.' },
  BuildTimedOut: { family: 'package', advice: 'Raise limits.totalSeconds if the build needs longer.' },
  BuildStalled: {
    family: 'package',
    advice:
      'The build printed nothing for limits.logSilenceSeconds: it hangs, or the limit is too short for it.',
  },
  LogLimitExceeded: { family: 'package', advice: 'Make the build print less, or raise limits.logMiB.' },
  ArtifactsRejected: {
    family: 'package',
    advice: 'The build left something that slipway does not take out: see the named file and the limits.',
  },
  DiskFull: { family: 'package', advice: 'The disk of the guest was full: raise resources.diskMiB.' },
  GuestOutOfMemory: { family: 'package', advice: 'Raise resources.memoryMiB or lower the number of jobs.' },
  InstallFailed: {
    family: 'package',
    advice: 'The build root could not be installed: the named package failed to configure. Read the log.',
  },
  GuestCrashed: {
    family: 'guest',
    advice: 'The kernel of the guest panicked or QEMU ended: see the console.',
  },
  BootTimedOut: {
    family: 'guest',
    advice: 'The guest did not reach userland: see the console, try slipway doctor.',
  },
  GuestHung: {
    family: 'guest',
    advice: 'The guest stopped its heartbeat: see the console; the host may be overloaded.',
  },
  NoStatus: {
    family: 'guest',
    advice: 'The guest ended without a valid status: see the console and the log.',
  },
  NoHostAvailable: {
    family: 'host',
    advice: 'Start a worker that offers what is demanded, or demand less (vm.isolation, vm.type, resources).',
  },
  HostLost: { family: 'host', advice: 'The worker host went away: start it again or wait for another.' },
  HostFull: { family: 'host', advice: 'All places of the host are taken: the build waits for one.' },
  HostRebooted: { family: 'host', advice: 'The host was rebooted under the build: it starts over.' },
  LeaseLost: {
    family: 'host',
    advice: 'The place on the host belongs to another attempt: the build starts over.',
  },
  VmLost: { family: 'host', advice: 'The VM of this build is gone: it starts over.' },
  ScratchFull: { family: 'host', advice: 'The scratch disk of the host is full: free space on it.' },
  HostUnfit: { family: 'host', advice: 'The host lacks a program or a right: run slipway doctor there.' },
  DownloadFailed: {
    family: 'host',
    advice: 'The mirror could not be reached or cut the transfer: it is tried again.',
  },
  InputsGone: {
    family: 'request',
    advice: 'The mirror no longer has the named files: resolve again (start a new build).',
  },
  StoreUnavailable: {
    family: 'host',
    advice: 'The store could not be read or written: check that it is mounted and has room.',
  },
} as const satisfies Record<string, { family: FailureFamily; advice: string }>;

export type FailureType = keyof typeof FAILURES;

/** The phases of a build, in their order. */
export const PHASES = [
  'resolve',
  'claim',
  'fetch',
  'image',
  'preinstall',
  'install',
  'build',
  'extract',
  'upload',
  'publish',
] as const;
export type Phase = (typeof PHASES)[number];

/** What a failure says, wherever it is shown. Also the first detail of the ApplicationFailure that carries it. */
export interface FailureDetails {
  type: FailureType;
  message: string;
  /** What the reader can do about it. */
  advice: string;
  /** Absent where it arose outside any phase. */
  phase?: Phase;
  /** Exit code of the failing command, where there was one. */
  exitCode?: number;
  /** Last lines of the log, where they help; at most 50 lines and 8 KiB. */
  lastLines?: string[];
  /** The named things: missing packages, files gone, wrong fields. */
  items?: string[];
}

/** An error with a type that slipway knows. Everything below the activities throws this. */
export class SlipwayFailure extends Error {
  override readonly name = 'SlipwayFailure';
  readonly type: FailureType;
  readonly more: Omit<FailureDetails, 'type' | 'message' | 'advice'> & { advice?: string };

  constructor(
    type: FailureType,
    message: string,
    more: Omit<FailureDetails, 'type' | 'message' | 'advice'> & { advice?: string; cause?: unknown } = {},
  ) {
    const { cause, ...rest } = more;
    super(message, cause === undefined ? undefined : { cause });
    this.type = type;
    this.more = rest;
  }

  /** The failure as plain data, with the family's advice where it brought none of its own. */
  details(phase?: Phase): FailureDetails {
    return {
      type: this.type,
      message: this.message,
      advice: FAILURES[this.type].advice,
      ...(phase === undefined ? {} : { phase }),
      ...this.more,
    };
  }
}

/** Whether a failure is an outcome of the package (the workflow completes with it) and not an outage. */
export function isOutcome(type: FailureType): boolean {
  return FAILURES[type].family === 'package';
}
