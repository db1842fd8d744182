import { lstat, mkdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayFailure } from '../schema/failures.ts';
import { ignoreMissing } from './atomic-file.ts';
import { checkedLeaseId } from './lease-record.ts';
import { run } from './run.ts';
import { asScratchFull } from './scratch-full.ts';

export { admit, asScratchFull, type FreeSpace, freeSpace } from './scratch-full.ts';

/** Where everything of one lease lies on the scratch disk: told from its id alone. */
export interface ScratchFolder {
  folder: string;
  /** The unpacked build root. */
  tree: string;
  /** Raw disk and swap of the guest. */
  disk: string;
  swap: string;
  /** The unpacked kernel package. */
  kernelTree: string;
  /** The kernel that is booted. */
  kernel: string;
  initramfs(boot: BootName): string;
  /** Folder of the VM of a boot. */
  vm(boot: BootName): string;
  /** Written down of a boot before it begins. */
  boot(boot: BootName): string;
  /** Where what a guest is handed in is put together. */
  incoming: string;
  /** What was taken out of the guest's disk. */
  artifacts: string;
}

/** The boots that a build can have on a host, each at most once for a lease. */
export const BOOTS = ['install-base', 'install', 'build'] as const;
export type BootName = (typeof BOOTS)[number];

/** Names only: touches no disk. @throws RangeError where the id is not that of a lease */
export function scratchFolder(root: string, leaseId: string): ScratchFolder {
  const folder = join(root, checkedLeaseId(leaseId));
  return {
    folder,
    tree: join(folder, 'tree'),
    disk: join(folder, 'disk'),
    swap: join(folder, 'swap'),
    kernelTree: join(folder, 'kernel-tree'),
    kernel: join(folder, 'kernel'),
    initramfs: (boot) => join(folder, `initramfs-${boot}`),
    vm: (boot) => join(folder, `vm-${boot}`),
    boot: (boot) => join(folder, `boot-${boot}.json`),
    incoming: join(folder, 'incoming'),
    artifacts: join(folder, 'artifacts'),
  };
}

/**
 * Makes the scratch folder, open to root alone, and the empty folders of the VMs. Idempotent.
 * @throws SlipwayFailure ScratchFull
 */
export async function createScratch(root: string, leaseId: string): Promise<ScratchFolder> {
  const scratch = scratchFolder(root, leaseId);
  try {
    for (const folder of [scratch.folder, ...BOOTS.map(scratch.vm)]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    }
  } catch (error) {
    throw asScratchFull(error, root);
  }
  return scratch;
}

/**
 * Deletes a scratch folder with all that is in it, whatever its permissions and names, never beyond it: symlinks are
 * deleted, not followed. Idempotent; looks afterwards that nothing is left. The caller has killed the VM before.
 * @throws SlipwayFailure HostUnfit where something is still mounted below it (nothing is deleted then) or it stays
 */
export async function deleteScratch(root: string, leaseId: string): Promise<void> {
  const { folder } = scratchFolder(root, leaseId);
  if (!(await exists(folder))) return;
  const mounts = await mountsBelow(join(await realpath(root), leaseId));
  if (mounts.length > 0) {
    throw new SlipwayFailure(
      'HostUnfit',
      `${folder} is not deleted: mounted below it: ${mounts.join(', ')}`,
      {
        advice: `Unmount these (umount ${mounts.length > 1 ? 'each' : 'it'}) and end what uses them (fuser -vm).`,
        items: mounts,
      },
    );
  }
  // rm walks by descriptors: paths longer than PATH_MAX, names that are not UTF-8, and no symlink that slips in.
  try {
    await run(['rm', '--recursive', '--force', '--one-file-system', '--', folder]);
  } catch (cause) {
    throw new SlipwayFailure('HostUnfit', `${folder} cannot be deleted: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (await exists(folder)) throw new SlipwayFailure('HostUnfit', `${folder} is still there after rm`);
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(ignoreMissing)) !== undefined;
}

/** Mount points at or below a path without symlinks, as this process sees them. */
async function mountsBelow(path: string): Promise<string[]> {
  // Bytes as they are: a mount point need not be UTF-8.
  const wanted = Buffer.from(path).toString('latin1');
  const lines = (await readFile('/proc/self/mountinfo', 'latin1')).trimEnd().split('\n');
  return lines
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((point) => point === wanted || point.startsWith(`${wanted}/`))
    .map((point) => Buffer.from(point, 'latin1').toString());
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
