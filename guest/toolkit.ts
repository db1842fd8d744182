import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { run } from '../host/run.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { type Kernel, moduleFiles } from './kernel.ts';
import { type ProgramSource, programEntries } from './programs.ts';

/** What every guest needs of its kernel: disks and ports; and, where there is one, a way to say that it panicked. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console'];
const WANTED_MODULES = ['pvpanic-pci'];

const SCRIPTS = fileURLToPath(new URL('./scripts/', import.meta.url));

/**
 * Writes the toolkit (PROTOCOL.md), the same for every boot of a kernel: what PID 1 and its helpers consist of.
 * @throws SlipwayFailure HostUnfit where the host lacks a program; names the Debian package that has it. InputRejected
 *   where the kernel or the given programs lack something
 */
export async function toolkitInitramfs(of: {
  /** Absent: for a container, which runs on the host's and loads no modules. */
  kernel?: Kernel | undefined;
  filesystemModules: readonly string[];
  into: string;
  /** Default: `host`. */
  programs?: ProgramSource;
  /** An operator's archive, which goes in front: what it has too is replaced by ours. */
  before?: Buffer;
}): Promise<void> {
  const needed = [...MODULES, ...of.filesystemModules];
  const modules = of.kernel === undefined ? [] : await moduleFiles(of.kernel, needed, WANTED_MODULES);
  const entries = [
    ...(await programEntries(of.programs ?? 'host')),
    ...(await scripts()),
    ...(await Promise.all(modules.map(module))),
  ];
  const aside = `${of.into}.${process.pid}`;
  await writeFile(
    aside,
    Buffer.concat([...(of.before === undefined ? [] : aligned(of.before)), cpio(entries)]),
  );
  await rename(aside, of.into);
}

/** The kernel looks for the next archive at a multiple of 4 bytes, and skips zeros. */
function aligned(archive: Buffer): Buffer[] {
  return [archive, Buffer.alloc((512 - (archive.length % 512)) % 512)];
}

async function scripts(): Promise<CpioEntry[]> {
  const names = await readdir(SCRIPTS);
  return Promise.all(
    names.map(async (name) => ({
      path: name === 'init' ? name : `toolkit/${name}`,
      mode: 0o755,
      content: await readFile(join(SCRIPTS, name)),
    })),
  );
}

/** Their names sort in the order of loading. */
async function module(file: string, index: number): Promise<CpioEntry> {
  const order = index.toString().padStart(3, '0');
  const [name] = /^.*?\.ko/.exec(basename(file)) ?? [basename(file)];
  return { path: `modules/${order}-${name}`, mode: 0o644, content: await unpacked(file) };
}

/** busybox loads no packed modules. */
async function unpacked(file: string): Promise<Buffer> {
  const bytes = await readFile(file);
  if (file.endsWith('.zst')) return promisify(zstdDecompress)(bytes);
  if (!file.endsWith('.xz')) return bytes;
  const aside = join(tmpdir(), `slipway-module-${randomUUID()}`);
  try {
    await run(['xz', '--decompress', '--stdout', file], { stdout: { file: aside } });
    return await readFile(aside);
  } finally {
    await rm(aside, { force: true });
  }
}
