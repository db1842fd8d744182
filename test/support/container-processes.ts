import { readdir, readFile } from 'node:fs/promises';
import { processesOf } from './vm-processes.ts';

/** Numbers on the host of the processes of the container in a folder whose command line begins so. */
export async function inContainer(folder: string, command: string): Promise<number[]> {
  const supervisors = await processesOf(folder);
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    if (words.startsWith(command) && (await hasAncestor(Number(name), supervisors))) found.push(Number(name));
  }
  return found;
}

async function hasAncestor(pid: number, ancestors: readonly number[]): Promise<boolean> {
  for (let at = pid; at > 1; ) {
    if (ancestors.includes(at)) return true;
    const status = await readFile(`/proc/${at}/status`, 'utf8').catch(() => '');
    at = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1] ?? 0);
  }
  return false;
}

/** The first process of the container. */
export async function firstOf(folder: string): Promise<number> {
  const [first] = await inContainer(folder, '/bin/busybox sh /toolkit/container');
  if (first === undefined) throw new Error(`nothing runs a guest in ${folder}`);
  return first;
}
