import { existsSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rm, stat, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SlipwayFailure } from '../schema/failures.ts';
import type { KernelArchitecture } from '../vm/architectures.ts';
import type { Kernel } from './kernel.ts';

/** Files of the host's operator. */
export interface KernelFiles {
  image: string;
  /** Folder of the modules, named after the kernel's release, as below /lib/modules. */
  modules: string;
}

/**
 * A kernel of the host's operator. Its modules stay where they are.
 * @param aside folder that is made anew and leads to them
 * @throws SlipwayFailure HostUnfit where a file is missing, no kernel of that architecture, or not of the modules' release
 */
export async function ownKernel(
  { image, modules }: KernelFiles,
  architecture: KernelArchitecture,
  aside: string,
): Promise<Kernel> {
  const header = await readStart(image, 'kernel.image');
  if (!isKernel(header, architecture)) {
    throw unfit(`${image} is no kernel for ${architecture}`, 'Name a bzImage (amd64) or an Image (arm64)');
  }
  const folder = await modulesIn(modules);
  const release = basename(folder);
  const itsOwn = releaseOf(header);
  if (itsOwn !== undefined && itsOwn !== release) {
    const advice = `Name the folder of modules called ${itsOwn}`;
    throw unfit(`${image} is kernel ${itsOwn}, but its modules ${folder} are of ${release}`, advice);
  }
  await rm(aside, { recursive: true, force: true });
  await mkdir(join(aside, 'lib/modules'), { recursive: true });
  await symlink(folder, join(aside, 'lib/modules', release));
  return { image, release, tree: aside, isHostsOwn: true };
}

/** An archive of the host's operator, as it is. @throws SlipwayFailure HostUnfit where it is missing or no archive */
export async function readInitramfs(path: string): Promise<Buffer> {
  const start = (await readStart(path, 'kernel.initramfs')).toString('latin1');
  if (!ARCHIVES.some((magic) => start.startsWith(magic))) {
    const advice = 'Name a cpio archive of the format newc, packed or not';
    throw unfit(`${path} is no initramfs`, advice);
  }
  return readFile(path);
}

/** How a cpio archive (newc) begins, and whatever kernels unpack: gzip, xz, zstd, lz4, bzip2, lzma, lzo. */
const ARCHIVES = [
  ...['070701', '070702', '\x1f\x8b', '\xfd7zXZ', '\x28\xb5\x2f\xfd', '\x02\x21\x4c\x18', 'BZh'],
  ...['\x5d\x00\x00', '\x89LZO'],
];

async function modulesIn(modules: string): Promise<string> {
  const folder = await realpath(modules).catch(() => undefined);
  if (folder === undefined || !(await stat(folder)).isDirectory()) {
    throw unfit(`kernel.modules ${modules} is no folder`, 'Name the folder of modules of the kernel');
  }
  if (!existsSync(join(folder, 'modules.dep'))) {
    const advice = `Name one as below /lib/modules, or run depmod ${basename(folder)}`;
    throw unfit(`${modules} has no modules of a kernel: there is no modules.dep`, advice);
  }
  return folder;
}

const HEADER_BYTES = 65_536;

async function readStart(path: string, key: string): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw unfit(`${key} cannot be read: ${(error as Error).message}`, 'Name a file that is there', error);
  }
}

const isBzImage = (header: Buffer) => header.toString('latin1', 0x202, 0x206) === 'HdrS';

/** Linux' boot protocols: Documentation/arch/x86/boot.rst, Documentation/arch/arm64/booting.rst. */
function isKernel(header: Buffer, architecture: KernelArchitecture): boolean {
  if (architecture === 'amd64') return isBzImage(header);
  return (
    header.toString('latin1', 0x38, 0x3c) === 'ARM\x64' || header.toString('latin1', 0, 2) === '\x1f\x8b'
  );
}

/** Where the image says so. */
function releaseOf(header: Buffer): string | undefined {
  if (!isBzImage(header)) return undefined;
  const offset = header.readUInt16LE(0x20e);
  if (offset === 0) return undefined;
  return /^[^ \0]+/.exec(header.toString('latin1', 0x200 + offset, 0x200 + offset + 200))?.[0];
}

function unfit(message: string, advice: string, cause?: unknown): SlipwayFailure {
  return new SlipwayFailure('HostUnfit', message, {
    advice: `${advice} in the section kernel of the worker configuration.`,
    ...(cause === undefined ? {} : { cause }),
  });
}
