import { cpus, release, totalmem } from 'node:os';
import { run } from '../host/run.ts';

/** What a figure was measured on, in one line. */
export async function machine(): Promise<string> {
  const { stdout } = await run(['qemu-system-x86_64', '--version']);
  const qemu = /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
  const processors = cpus();
  return [
    `${processors.length} × ${processors[0]?.model ?? 'unknown CPU'}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    `QEMU ${qemu}`,
    `Node ${process.versions.node}`,
  ].join(', ');
}
