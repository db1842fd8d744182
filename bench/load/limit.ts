import { cpus } from 'node:os';

/** CPU seconds of the whole machine since it was booted. */
export interface MachineCpu {
  idle: number;
  busy: number;
}

export function machineCpu(): MachineCpu {
  const times = cpus().map(({ times: of }) => of);
  const idle = times.reduce((sum, of) => sum + of.idle, 0);
  const busy = times.reduce((sum, of) => sum + of.user + of.nice + of.sys + of.irq, 0);
  return { idle: idle / 1000, busy: busy / 1000 };
}

/** Below this share of idle CPU nothing else is the limit. */
const IDLE = 0.15;
/** Above this share of taken places more of them would do more. */
const TAKEN = 0.85;

/** Where the limit was, in words. CPU in seconds of the whole run; `taken`: mean share of places that builds had. */
export function limitOf(
  machine: MachineCpu,
  cpu: Readonly<Record<'server' | 'worker' | 'children' | 'client', number>>,
  taken: number,
): string {
  const all = machine.idle + machine.busy;
  const percent = (seconds: number) => `${Math.round((100 * seconds) / all)} %`;
  const others = machine.busy - cpu.server - cpu.worker - cpu.children - cpu.client;
  const used = [
    `Temporal ${percent(cpu.server)}`,
    `the worker ${percent(cpu.worker)}`,
    `its commands and guests ${percent(cpu.children)}`,
    `the client ${percent(cpu.client)}`,
    `others on the machine ${percent(Math.max(0, others))}`,
    `idle ${percent(machine.idle)}`,
  ].join(', ');
  if (machine.idle / all < IDLE) return `the CPU of the host: ${used}`;
  if (taken > TAKEN)
    return `the places of the host, ${Math.round(100 * taken)} % of them taken (CPU: ${used})`;
  return `neither CPU nor places, ${Math.round(100 * taken)} % of them taken: a step or the server waits for something (CPU: ${used})`;
}
