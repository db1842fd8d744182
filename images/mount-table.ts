import { readdir, readFile, readlink } from 'node:fs/promises';

/** A mount as some process sees it. */
export interface Mount {
  /** Of the process that sees it. */
  pid: number;
  /** `<major>:<minor>` of the filesystem: that of its device, but with btrfs one of its own. */
  number: string;
  /** Mount point in the namespace of that process. */
  point: string;
  /** What was mounted: `/dev/loop3`. */
  source: string;
}

/** Mounts that a process sees; none where there is no such process any more. */
export async function mountsOf(pid: number | 'self'): Promise<Mount[]> {
  // Bytes as they are: a mount point need not be UTF-8.
  const text = await readFile(`/proc/${pid}/mountinfo`, 'latin1').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parse(line, pid === 'self' ? process.pid : pid));
}

/** Mounts in every mount namespace that a process lives in, those of each namespace once. */
export async function allMounts(): Promise<Mount[]> {
  const seen = new Set<string>();
  const mounts: Mount[] = [];
  for (const pid of await processIds()) {
    const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(() => undefined);
    if (namespace === undefined || seen.has(namespace)) continue;
    const seenHere = await mountsOf(pid);
    // A process that just ends shows none, another of its namespace does.
    if (seenHere.length > 0) seen.add(namespace);
    mounts.push(...seenHere);
  }
  return mounts;
}

export async function processIds(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** `36 35 98:0 /root /point options shared:1 - ext4 /dev/sda1 options`, see proc(5). */
function parse(line: string, pid: number): Mount {
  const [before = '', after = ''] = line.split(' - ');
  const [, , number = '', , point = ''] = before.split(' ');
  const [, source = ''] = after.split(' ');
  return { pid, number, point: unescapeOctal(point), source: unescapeOctal(source) };
}

function unescapeOctal(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString();
}
