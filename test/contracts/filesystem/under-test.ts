import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Progress } from '../../../host/progress.ts';
import type { Filesystem, FillWay } from '../../../images/filesystem.ts';
import { fillDisk, type Unpack } from '../../../images/fill.ts';
import { loopDevicesBelow } from '../../../images/loop-devices.ts';
import { mountOptionsOnHost } from '../../../images/mount-options.ts';
import { allMounts } from '../../../images/mount-table.ts';
import { createSparseFile } from '../../../images/sparse-file.ts';
import { withMount } from '../../support/in-mount-namespace.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export interface UnderTest {
  filesystem: Filesystem;
  /** Its program and an argument of it that an older or newer one may refuse. */
  program: string;
  refusable: readonly string[];
  /** A disk that is large enough for small trees, MiB. */
  sizeMiB: number;
  /** What an empty one of 4 GiB may take on the host, MiB. */
  emptyMiB: number;
  /** A disk that is too small for it, MiB; absent: it makes do with any that a request can ask for. */
  tooSmallMiB?: number;
}

export const CHILD = fileURLToPath(new URL('../../images/fixtures/fill-child.ts', import.meta.url));

export function waysOf({ copyIn }: Filesystem): FillWay[] {
  return copyIn === undefined ? ['mount'] : ['copyin', 'mount'];
}

export function context(reports: Progress[] = [], signal = new AbortController().signal) {
  return { signal, report: (progress: Progress) => void reports.push(progress) };
}

export interface Place {
  /** Its own, to be looked at for what is left. */
  folder: string;
  disk: string;
  tree: string;
  mountPoint: string;
}

export async function place(sizeMiB: number, name = 'place'): Promise<Place> {
  const folder = join(await temporaryFolder(), name);
  const [disk, tree] = [join(folder, 'disk'), join(folder, 'tree')];
  const mountPoint = join(folder, 'mnt');
  await mkdir(mountPoint, { recursive: true });
  await createSparseFile(disk, sizeMiB);
  return { folder, disk, tree, mountPoint };
}

export function fill(
  { filesystem }: UnderTest,
  way: FillWay,
  { disk, tree }: Place,
  unpack: Unpack,
  step = context(),
): Promise<void> {
  return fillDisk({ filesystem, way, disk, tree, context: step }, unpack);
}

/** Runs a command while the disk is mounted as it would be on a host. */
export function onMounted(
  { filesystem }: Pick<UnderTest, 'filesystem'>,
  { disk, mountPoint }: Place,
  command: readonly [string, ...string[]],
  more: readonly string[] = [],
): Promise<string> {
  const options = ['loop', ...more, ...mountOptionsOnHost(filesystem.mountOptions)].join(',');
  return withMount([filesystem.name, options, disk, mountPoint], command);
}

export async function writeMany(tree: string, count: number, bytes: number): Promise<void> {
  const content = Buffer.alloc(bytes, 'x');
  for (let i = 0; i < count; i++) await writeFile(join(tree, `${i}`), content);
}

/** What is left of a fill on the host, a line each: loop devices, mounts in any namespace, processes. */
export async function leftOf({ folder }: Pick<Place, 'folder'>): Promise<string[]> {
  const loops = (await loopDevicesBelow(folder)).map(({ device, file }) => `${device} ${file}`);
  const mounts = (await allMounts()).filter(({ point }) => point.startsWith(`${folder}/`));
  return [
    ...loops,
    ...mounts.map(({ point, pid }) => `${point} of ${pid}`),
    ...(await processesNaming(folder)),
  ];
}

/** Command lines of processes that name a folder. */
export async function processesNaming(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(folder)) found.push(`process ${pid}: ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}
