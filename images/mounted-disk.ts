import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Filesystem } from './filesystem.ts';
import { MountHolder } from './mount-holder.ts';
import { mountOptionsOnHost } from './mount-options.ts';
import { mountsOf } from './mount-table.ts';
import { numbersOfMount, usersOfMount } from './mount-users.ts';
import { lookAtDisk } from './raw-disk.ts';
import { mountLock, undoMounts } from './undo-mounts.ts';

/** How long somebody may be at work in a mount who only looks (a monitor of the host): milliseconds, tried so often. */
const BUSY = { milliseconds: 500, tries: 4 };

/** A disk mounted in a mount namespace of its own. */
export interface MountedDisk {
  /**
   * By which the content is reached from here. Its parent is that of the mount point, so that temporary files beside it
   * lie where they would without the mount.
   */
  path: string;
  /** Aborted where the mount ends by itself: what is written to `path` afterwards does not go to the disk. */
  ended: AbortSignal;
  /**
   * Writes everything to the disk and unmounts it; verifies that.
   * @throws SlipwayFailure HostUnfit where it cannot: says who uses it, and what could not be written
   */
  unmount(): Promise<void>;
  /**
   * Sees to it that nothing of it is left, whatever became of it: unmounted or not. To be called in any case.
   * @param patience milliseconds to wait for what stays
   * @throws SlipwayFailure HostUnfit that says what is left and who uses it
   */
  release(patience?: number): Promise<void>;
}

export interface MountDisk {
  filesystem: Filesystem;
  disk: string;
  /** An existing, empty folder, in the folder that is undone as one (`undoMounts`). Stays empty to everybody else. */
  at: string;
  signal: AbortSignal;
}

/**
 * Mounts a disk, through a loop device where it is a file. The mount belongs to a small process that ends with this one,
 * and with it mount and loop device; the lock file beside the mount point leads to it.
 * @throws SlipwayFailure HostUnfit where it cannot be mounted
 */
export async function mountDisk({ filesystem, disk, signal, ...where }: MountDisk): Promise<MountedDisk> {
  signal.throwIfAborted();
  // Seen through another process's root, an absolute symlink on the way would lead back to ours, where it is not mounted.
  const folder = await realpath(dirname(where.at));
  const at = join(folder, basename(where.at));
  const raw = await lookAtDisk(disk);
  const loop = raw.state === 'device' ? [] : ['loop'];
  const holder = MountHolder.start({
    lock: mountLock(folder),
    type: filesystem.name,
    // Nothing in it is run but by us, and by us only what we brought.
    options: [...loop, 'nosuid', 'nodev', ...mountOptionsOnHost(filesystem.mountOptions)],
    disk: raw.path,
    at,
  });
  const release = async (patience?: number) => {
    await undoMounts(folder, patience);
    await holder.end();
  };
  try {
    if ((await untilAborted(holder.answer(), signal)) !== 'mounted') throw notMounted(filesystem, holder);
  } catch (error) {
    await release();
    throw error;
  }
  return {
    path: join(`/proc/${holder.pid}/root`, at),
    ended: holder.ended,
    unmount: () => untilAborted(unmount(holder, at), signal),
    release,
  };
}

async function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function unmount(holder: MountHolder, at: string): Promise<void> {
  if ((await holder.ask('sync')) !== 'done') throw unfit(`not all reached the disk: ${holder.complaint()}`);
  for (let tried = 1; (await holder.ask('unmount')) !== 'done'; tried++) {
    const complaint = holder.complaint();
    if (tried === BUSY.tries || holder.ended.aborted) throw await stillMounted(holder, at, complaint);
    await sleep(BUSY.milliseconds);
  }
  if (await mountedAt(holder, at)) throw await stillMounted(holder, at, 'umount said that it was done');
  await holder.end();
}

async function mountedAt(holder: MountHolder, at: string) {
  return (await mountsOf(holder.pid as number)).find(({ point }) => point === at);
}

async function stillMounted(holder: MountHolder, at: string, complaint: string): Promise<SlipwayFailure> {
  const mount = await mountedAt(holder, at);
  const users = mount === undefined ? [] : await usersOfMount(await numbersOfMount(mount), holder.pid);
  const by = users.length === 0 ? 'nobody is to be seen that uses it' : users.join('; ');
  return unfit(`the disk of the guest cannot be unmounted: ${complaint}: ${by}`, users);
}

function notMounted({ name }: Filesystem, holder: MountHolder): SlipwayFailure {
  const message = `a disk with ${name} cannot be mounted on this host: ${holder.complaint()}`;
  return new SlipwayFailure('HostUnfit', message, {
    advice: `The kernel of the host must have ${name} and loop devices (modprobe loop ${name}), and the worker CAP_SYS_ADMIN.`,
  });
}

function unfit(message: string, items: string[] = []): SlipwayFailure {
  return new SlipwayFailure('HostUnfit', message, {
    advice: 'Look at what works on the host beside slipway, and at the messages of its kernel (dmesg).',
    items,
  });
}
