import { readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';

/**
 * Who holds a lock file, asked of the kernel. No process id is ever remembered: a number in a file may belong to
 * somebody else by the time it is read.
 */

/** Whether any process holds the lock. Only looks: trying to take it would make a starting supervisor fail. */
export function isHeld(lock: string): boolean {
  const file = statSync(lock, { throwIfNoEntry: false });
  if (file === undefined) return false;
  const device = `${hex(major(file.dev))}:${hex(minor(file.dev))}`;
  for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
    // 3: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
    const [, kind, , , pid, place] = line.trim().split(/\s+/);
    const [a, b, inode] = place?.split(':') ?? [];
    if (kind !== 'FLOCK' || inode !== String(file.ino)) continue;
    // Some file systems (btrfs) tell stat another device than they tell the lock table.
    if (`${a}:${b}` === device || hasOpen(Number(pid), file)) return true;
  }
  return false;
}

/** A process that has the lock file open; `inside` where it lives in a pid namespace below ours. */
export interface Holder {
  pid: number;
  inside: boolean;
}

/** Every process that has the lock file open: those that keep it locked, whoever took it. */
export function holdersOf(lock: string): Holder[] {
  const file = statSync(lock, { throwIfNoEntry: false });
  if (file === undefined) return [];
  const own = readlinkSync('/proc/self/ns/pid');
  return pids()
    .filter((pid) => hasOpen(pid, file))
    .map((pid) => ({ pid, inside: gone(() => readlinkSync(`/proc/${pid}/ns/pid`)) !== own }));
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function hasOpen(pid: number, file: Stats): boolean {
  const open = gone(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return open.some((fd) => {
    const other = gone(() => statSync(`/proc/${pid}/fd/${fd}`));
    return other?.ino === file.ino && other.dev === file.dev;
  });
}

/** Processes and their files vanish while they are looked at. */
function gone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** As glibc splits a device number. */
function major(device: number): number {
  return Number(((BigInt(device) >> 8n) & 0xfffn) | ((BigInt(device) >> 32n) & ~0xfffn));
}

function minor(device: number): number {
  return Number((BigInt(device) & 0xffn) | ((BigInt(device) >> 12n) & 0xfff00n));
}

function hex(part: number): string {
  return part.toString(16).padStart(2, '0');
}
