import { readdir, readFile } from 'node:fs/promises';
import { run } from '../../host/run.ts';

/** What tests could leave on a machine, a line each: loop devices, mounts, guests and their supervisors, servers. */
export async function leftOvers(): Promise<string[]> {
  const [loops, mounts, processes] = await Promise.all([loopDevices(), mountPoints(), guests()]);
  return [...loops, ...mounts, ...processes];
}

async function loopDevices(): Promise<string[]> {
  const { stdout } = await run(['losetup', '--all', '--noheadings', '--output', 'NAME,BACK-FILE']);
  return lines(stdout).map((line) => `loop device ${line}`);
}

async function mountPoints(): Promise<string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  return lines(mounts).map((line) => `mount ${line.split(' ')[4]}`);
}

/** By command line: a guest, a supervisor, a Temporal or S3 server of ours. */
async function guests(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (/qemu-system|supervisor\/main|fake-guest|temporal\0server|versitygw\0--quiet/.test(command)) {
      found.push(`process ${pid}: ${command.replaceAll('\0', ' ').slice(0, 160)}`);
    }
  }
  return found;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}
