import { readdir, readFile } from 'node:fs/promises';
import { run } from '../../host/run.ts';

/**
 * What is left on the machine of builds in some folders, a line each: processes that name one of them, mounts, loop
 * devices. What others on the machine do is none of it.
 */
export async function leftBehind(folders: readonly string[]): Promise<string[]> {
  const isOurs = (text: string) => folders.some((folder) => text.includes(folder));
  const { stdout } = await run(['losetup', '--all', '--noheadings', '--output', 'NAME,BACK-FILE']);
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  return [
    ...(await commandLines()).filter(isOurs).map((text) => `process ${text}`),
    ...stdout
      .split('\n')
      .filter(isOurs)
      .map((text) => `loop device ${text}`),
    ...mounts
      .split('\n')
      .filter(isOurs)
      .map((text) => `mount ${text}`),
  ];
}

/** Of everybody else, with their pids. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`);
  return Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return `${pid}: ${line.replaceAll('\0', ' ')}`;
    }),
  );
}
