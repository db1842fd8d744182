import { readdir, readFile, readlink } from 'node:fs/promises';

/** Every process that has a file of the folder open or names it: found by another way than the code under test. */
export async function processesOf(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) !== process.pid && (await names(pid, folder))) found.push(Number(pid));
  }
  return found;
}

async function names(pid: string, folder: string): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (words.split('\0').some((word) => word === folder || word.startsWith(`${folder}/`))) return true;
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (target.startsWith(`${folder}/`)) return true;
  }
  return false;
}

/** The one of them that runs the guest: what the supervisor started. */
export async function monitorOf(folder: string): Promise<number> {
  for (const pid of await processesOf(folder)) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (/^qemu-system|fake-guest\.ts/.test(words.replace(/^[^\0]*node\0/, ''))) return pid;
  }
  throw new Error(`nothing runs a guest in ${folder}`);
}
