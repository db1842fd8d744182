import type { FailureType } from '../schema/failures.ts';
import type { Architecture, FilesystemName, Isolation, VmType } from '../schema/request.ts';
import type { VmStatistics } from '../schema/result.ts';

/** One command that a guest runs: data, never text for a shell. */
export interface GuestCommand {
  /** What it is for, where it fails: in the place of words that nobody outside wrote. The guest does not see it. */
  title?: string;
  argv: readonly [string, ...string[]];
  /** The whole environment of the command. */
  env: Readonly<Record<string, string>>;
  /** `builder` is uid and gid 1000, without supplementary groups and capabilities. */
  user: 'root' | 'builder';
  /** Absolute folder in the build root. */
  cwd: string;
}

/** The filesystem of a guest's disk, as whoever runs the guest mounts it. */
export interface GuestFilesystem {
  name: FilesystemName;
  mountOptions: readonly string[];
  /**
   * `device`: extents are offsets on the disk, from which the host reads content; `swap`: they are not, and the content
   * of results follows in the swap.
   */
  content: 'device' | 'swap';
}

/** What one boot of a guest is to do. */
export interface GuestSpec {
  phase: 'install' | 'build';
  /** Of the packages in the build root: says which machine runs the guest, and its personality. */
  architecture: Architecture;
  /** 32 hexadecimal digits, new for each boot: what the guest writes must carry it. */
  nonce: string;
  cpus: number;
  memoryMiB: number;
  /** Raw files or block devices on the host. */
  disk: string;
  swap: string;
  filesystem: GuestFilesystem;
  kernel: string;
  initramfs: string;
  /**
   * Folder in the build root into which the guest unpacks the archive (tar) that the host has written into the swap,
   * from byte 4096 to `bytes`, a multiple of that, before the start; absent: there is none.
   */
  incoming?: { folder: string; bytes: number };
  /** Run one after the other until one fails; all of them in one pid namespace. */
  commands: readonly GuestCommand[];
  /** Folder in the build root whose content is listed in the letter box; absent: an empty list. */
  outputDirectory?: string;
  limits: {
    bootSeconds: number;
    heartbeatSeconds: number;
    logSilenceSeconds: number;
    totalSeconds: number;
    logBytes: number;
  };
}

/** How a boot ended. */
export type VmEnd =
  /** All commands succeeded and the list is in the letter box. */
  | { kind: 'succeeded' }
  /** A command failed: its index and exit code (128 + signal where it was killed). */
  | { kind: 'failed'; command: number; exitCode: number }
  /** Anything else, with the failure that it is. */
  | { kind: 'broken'; failure: FailureType; message: string };

export interface VmStatus {
  state: 'absent' | 'running' | 'ended';
  /** Seconds since the VM was started. */
  seconds: number;
  /** Bytes of the log so far. */
  logBytes: number;
  /** What the guest last said of itself. */
  sample?: { memoryMiB: number; diskMiB: number; swapMiB: number };
  /** Only where ended. */
  end?: VmEnd;
  statistics?: VmStatistics;
}

/** Files in the folder of a VM that others may read while it runs and after. */
export const VM_FILES = {
  /** Standard output and error of the commands: opaque bytes, appended. */
  log: 'log',
  /** The kernel's own words. */
  console: 'console',
} as const;

/**
 * How a guest runs. A VM lives in a folder (root's, one per build and phase) and outlives the process that started it:
 * every method finds it from the folder alone.
 */
export interface Vm {
  readonly type: VmType;
  readonly isolation: Isolation;
  /** Of build roots that its guests can have; a host may offer fewer. */
  readonly architectures: readonly Architecture[];
  /**
   * Starts the guest in `folder`, which exists and is empty; where one was started there already this does nothing.
   * Returns when it is under way, not when it has booted. Zeroes the header of the swap first.
   * @throws SlipwayFailure HostUnfit where a program is missing or a right lacks
   */
  start(folder: string, spec: GuestSpec, deadline: number): Promise<void>;
  status(folder: string): Promise<VmStatus>;
  /** Lets the VM live until `deadline`, in seconds of the boot-time clock (`bootTime()`); it never moves backwards. */
  renew(folder: string, deadline: number): Promise<void>;
  /** Ends the VM and waits until nothing of it is left; verified in /proc. Idempotent, also where none was started. */
  kill(folder: string): Promise<void>;
}
