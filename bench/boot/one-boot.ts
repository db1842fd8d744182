import { spawn } from 'node:child_process';
import { closeSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFiles } from '../../vm/supervisor/open-files.ts';
import type { GuestSpec } from '../../vm/vm.ts';

/** When something was first seen: seconds since QEMU's start, and seconds of CPU time that QEMU had had by then. */
export interface Moment {
  at: number;
  cpu: number;
}

/** The guest's control words, `exit` (of QEMU), and `mark NAME` lines of its log, by name. */
export type Moments = Record<string, Moment>;

/** Seconds after which a boot that has not ended is given up: it may share the machine with much else. */
const PATIENCE = 300;

/** Boots a guest by QEMU alone, as its supervisor would start it, and notes when it said what. */
export async function oneBoot(
  folder: string,
  spec: GuestSpec,
  [program, ...args]: readonly string[],
): Promise<Moments> {
  for (const name of ['log', 'control', 'console']) emptied(join(folder, name));
  const files = openFiles(folder, spec);
  const started = performance.now();
  const child = spawn(program ?? '', args, { stdio: ['pipe', 'ignore', 'pipe', ...files] });
  for (const file of files) closeSync(file);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stdin?.on('error', () => {});
  child.stdin?.write('{"execute":"qmp_capabilities"}\n');
  const moments: Moments = {};
  let cpu = 0;
  let gone = false;
  const note = (name: string) => (moments[name] ??= { at: (performance.now() - started) / 1000, cpu });
  child.on('close', () => {
    gone = true;
    note('exit');
  });
  while (!gone) {
    cpu = cpuSeconds(child.pid) ?? cpu;
    for (const word of words(join(folder, 'control'), /^([a-z]+) .*at=/gm)) note(word);
    for (const mark of words(join(folder, 'log'), /^mark (\w+)$/gm)) note(mark);
    if (performance.now() - started > PATIENCE * 1000) child.kill('SIGKILL');
    await sleep(2);
  }
  if (moments.done === undefined) throw new Error(`the guest did not come to its end: ${said}`);
  return moments;
}

function words(path: string, form: RegExp): string[] {
  return [...readFileSync(path, 'latin1').matchAll(form)].map(([, word = '']) => word);
}

function emptied(path: string): void {
  if (existsSync(path)) truncateSync(path);
}

/** Of a process with all its threads: depends far less on what else the machine does than the clock. */
function cpuSeconds(pid: number | undefined): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}
