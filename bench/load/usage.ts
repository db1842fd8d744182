import { readdir, readFile } from 'node:fs/promises';

/** What a process has and has used until now. */
export interface Usage {
  rssMiB: number;
  fds: number;
  cpuSeconds: number;
  /** Of its children that have ended, and of theirs. */
  childrenCpuSeconds: number;
}

/** Of all Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** @throws where it is gone */
export async function usageOf(pid: number): Promise<Usage> {
  const [stat, status, fds] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ]);
  // The name of the program, in parentheses, may have spaces; the third field follows it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (at: number) => Number(fields[at - 3]) / TICKS_PER_SECOND;
  return {
    rssMiB: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1024,
    fds: fds.length,
    cpuSeconds: seconds(14) + seconds(15),
    childrenCpuSeconds: seconds(16) + seconds(17),
  };
}
