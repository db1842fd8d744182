import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VmStatistics } from '../schema/result.ts';
import { type GuestSpec, VM_FILES, type VmEnd } from './vm.ts';

/** Every file in the folder of a VM: its whole state, readable by any process that knows the folder. */
export const FILES = {
  ...VM_FILES,
  /** What the VM is: a StartRecord, written by `start` before anything runs. */
  start: 'vm.json',
  /** Held (flock) as long as any process of the VM lives. */
  lock: 'lock',
  /** Exists once a supervisor has taken the VM on: nobody starts it a second time. */
  started: 'started',
  /** Exists once somebody asked for the end of the VM: no supervisor begins after that. */
  killed: 'killed',
  /** Deadlines, a line each, only ever appended to; the latest of them counts. */
  renewals: 'renewals',
  /** Control records of the guest. */
  control: 'control',
  /** An EndRecord: exists once the VM has ended and nothing of QEMU is left. */
  end: 'end.json',
  /** A few blocks held back so that the end can be written on a full disk. */
  reserve: 'reserve',
  /** What the supervisor and the programs that start it said. */
  said: 'supervisor.log',
} as const;

/** Until the VM of a folder has ended, or so many milliseconds have passed: some filesystems report no changes. */
export async function endOrTime(folder: string, milliseconds: number, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const watcher = watch(folder, (_event, name) => {
    if (name === FILES.end) ended.abort();
  });
  watcher.on('error', () => undefined);
  try {
    if (existsSync(join(folder, FILES.end))) return;
    await sleep(milliseconds, undefined, { signal: AbortSignal.any([signal, ended.signal]) });
  } catch (error) {
    signal.throwIfAborted();
    if (!ended.signal.aborted) throw error;
  } finally {
    watcher.close();
  }
}

/** What runs the guest, as the supervisor starts it. */
export interface MonitorCommand {
  /** Finds the open files at the numbers of `MONITOR_FDS`. */
  argv: readonly [string, ...string[]];
  /**
   * `qmp` (default): speaks QMP on its standard input and output. `exit`: says nothing but how it ends: with exit code 0
   * the guest has powered off, with 125 to 127 it could not be run, with any other it crashed.
   */
  protocol?: 'qmp' | 'exit';
  /** Of `exit`: the exit code that says that the host has no room for what the guest wrote. */
  noRoomCode?: number;
  /** What outlives its processes by a moment, or for good: control groups, and files that are behind loop devices. */
  holds?: { groups: readonly string[]; files: readonly string[] };
  /** Disks that are block devices are held exclusively while it runs; not for one that mounts them itself. */
  exclusive?: boolean;
  /** Character device that it opens, given to `uid` in a private mount namespace. */
  device?: { path: string; uid: number };
}

export interface StartRecord {
  version: 1;
  /** Of the boot of the host in which it was started. */
  bootId: string;
  /** Seconds of the boot-time clock. */
  startedAt: number;
  /** The first deadline, seconds of the boot-time clock. */
  deadline: number;
  spec: GuestSpec;
  monitor: MonitorCommand;
}

export interface EndRecord {
  version: 1;
  end: VmEnd;
  statistics: VmStatistics;
}

/** Absent where no VM was started in the folder. */
export function readStart(folder: string): StartRecord | undefined {
  return readRecord<StartRecord>(join(folder, FILES.start));
}

/** Absent until the VM has ended. */
export function readEnd(folder: string): EndRecord | undefined {
  return readRecord<EndRecord>(join(folder, FILES.end));
}

export function has(folder: string, file: keyof typeof FILES): boolean {
  return existsSync(join(folder, FILES[file]));
}

/** Whole or not at all, also where two write at once. */
export function writeRecord(folder: string, file: 'start' | 'end', record: StartRecord | EndRecord): void {
  const path = join(folder, FILES[file]);
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  writeFileSync(aside, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(aside, path);
}

function readRecord<T extends { version: 1 }>(path: string): T | undefined {
  if (!existsSync(path)) return undefined;
  const record = JSON.parse(readFileSync(path, 'utf8')) as T;
  if (record.version !== 1)
    throw new Error(`${path} was written by another version of slipway: ${record.version}`);
  return record;
}
