import { copyFile, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Incoming, writeIncoming } from '../../guest/incoming.ts';
import { bootInitramfs } from '../../guest/initramfs.ts';
import { type Kernel, unpackKernel } from '../../guest/kernel.ts';
import { toolkitInitramfs } from '../../guest/toolkit.ts';
import { run } from '../../host/run.ts';
import { ext4 } from '../../images/ext4.ts';
import { type Filesystem, guestFilesystem } from '../../images/filesystem.ts';
import type { GuestCommand, GuestSpec } from '../../vm/vm.ts';
import { TEST_CACHE, testKernelDeb } from './kernel.ts';
import { bootGuest, emptySwap, type GuestRun, type GuestSaid } from './qemu.ts';

export const NONCE = '0123456789abcdef0123456789abcdef';

/** The letter box as it lies on the swap. */
export interface LetterBox {
  header: Record<string, string>;
  list: Buffer;
}

export async function testKernel(): Promise<Kernel> {
  return unpackKernel({ debs: [await testKernelDeb()], cache: TEST_CACHE });
}

/** A build root under 2 MB: busybox, and `/out`, which belongs to the builder. Root only. */
export async function busyboxTree(tree: string): Promise<void> {
  await mkdir(join(tree, 'bin'), { recursive: true });
  await copyFile('/bin/busybox', join(tree, 'bin/busybox'));
  await run(['chroot', tree, '/bin/busybox', '--install', '-s', '/bin']);
  await mkdir(join(tree, 'out'), { recursive: true });
  await run(['chown', '1000:1000', join(tree, 'out')]);
}

/** A disk with that build root, an empty swap, the toolkit: all that boots share, in one folder. */
export async function busyboxDisk(folder: string, diskMiB = 64): Promise<void> {
  await busyboxTree(join(folder, 'tree'));
  await run(['truncate', '--size', `${diskMiB}M`, join(folder, 'disk')]);
  await ext4.copyIn(join(folder, 'disk'), join(folder, 'tree'), {
    signal: AbortSignal.timeout(60_000),
    report: () => undefined,
  });
}

/** What a command of the busybox root is run with. */
export function shell(script: string, user: GuestCommand['user'] = 'builder'): GuestCommand {
  return { argv: ['/bin/sh', '-c', script], env: { PATH: '/bin' }, user, cwd: '/out' };
}

/** Boots the disk of `folder` once; `/out` is listed. */
export async function runBusyboxGuest(
  folder: string,
  commands: readonly GuestCommand[],
  options: Partial<GuestRun> & {
    spec?: Partial<GuestSpec>;
    /** Of the disk. Default: ext4. */
    filesystem?: Filesystem;
    /** What it is handed in. */
    incoming?: Incoming;
    /** Size of the swap. Default: 32. */
    swapMiB?: number;
  } = {},
): Promise<GuestSaid & { letterBox: LetterBox | undefined }> {
  const { spec, filesystem = ext4, swapMiB = 32, incoming, ...machine } = options;
  const kernel = await testKernel();
  const path = (name: string) => join(folder, name);
  await toolkitInitramfs({ kernel, filesystemModules: filesystem.modules, into: path('toolkit') });
  await emptySwap(path('swap'), swapMiB * 1024 ** 2);
  await bootInitramfs({
    toolkit: path('toolkit'),
    into: path('initramfs'),
    spec: {
      ...{ phase: 'build', nonce: NONCE, architecture: 'amd64', outputDirectory: '/out', commands },
      filesystem: guestFilesystem(filesystem),
      ...(incoming === undefined ? {} : { incoming: await handedIn(incoming, path) }),
      ...spec,
    },
  });
  const said = await bootGuest({
    ...{ disk: path('disk'), swap: path('swap'), kernel: kernel.image, initramfs: path('initramfs'), folder },
    ...machine,
  });
  return { ...said, letterBox: await readLetterBox(path('swap')) };
}

/** Puts it into the swap of a folder. */
export async function handedIn(
  incoming: Incoming,
  path: (name: string) => string,
): Promise<NonNullable<GuestSpec['incoming']>> {
  const { signal } = new AbortController();
  return {
    folder: incoming.folder,
    bytes: await writeIncoming(incoming, path('swap'), path('incoming'), signal),
  };
}

/** Trusting, unlike the reader of slipway: here the guest is ours. */
export async function readLetterBox(swap: string): Promise<LetterBox | undefined> {
  const bytes = await readFile(swap);
  const [magic, ...lines] = bytes.subarray(0, 512).toString().replace(/\0+$/, '').split('\n').slice(0, -1);
  if (magic !== 'slipway-letter-box 1') return undefined;
  const header = Object.fromEntries(lines.map((line) => line.split('=')));
  return { header, list: bytes.subarray(4096, 4096 + Number(header.length)) };
}

/** Puts the content of a listed file together from the raw disk. */
export async function contentOf(disk: string, list: string, name: string): Promise<Buffer> {
  const lines = list.split('\n');
  const at = lines.findIndex((line) => /^F [0-7]+ \d+ /.test(line) && line.endsWith(` ${name}`));
  const content = Buffer.alloc(Number(lines[at]?.split(' ')[2]));
  await using device = await open(disk, 'r');
  for (let line = at + 1; lines[line]?.startsWith('E disk '); line += 1) {
    const [start = 0, count = 0, to = 0] = (lines[line] ?? '')
      .split(' ')
      .slice(2)
      .map((unit) => Number(unit) * 512);
    const bytes = Buffer.alloc(count);
    await device.read(bytes, 0, count, start);
    bytes.copy(content, to);
  }
  return content;
}
