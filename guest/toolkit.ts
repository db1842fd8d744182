import { access, readdir, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { type Kernel, moduleFiles } from './kernel.ts';

/** What every guest needs of its kernel: disks, ports, and a way to say that it panicked. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console', 'pvpanic-pci'];

/** Programs beside busybox, with their Debian packages. */
const PROGRAMS = {
  // Changes root, folder and user in one step, and looks the program up in the new root (busybox would run its own).
  '/usr/bin/nsenter': 'util-linux',
  '/usr/bin/find': 'findutils',
  '/usr/sbin/filefrag': 'e2fsprogs',
} as const;

const SCRIPTS = fileURLToPath(new URL('./scripts/', import.meta.url));

/**
 * Writes the toolkit (PROTOCOL.md), the same for every boot of a kernel: what PID 1 and its helpers consist of.
 * @throws SlipwayFailure HostUnfit where the host lacks a program; names the Debian package that has it
 */
export async function toolkitInitramfs(of: {
  kernel: Kernel;
  filesystemModules: readonly string[];
  into: string;
}): Promise<void> {
  const modules = await moduleFiles(of.kernel, [...MODULES, ...of.filesystemModules]);
  const entries = [
    ...(await busybox()),
    ...(await programs()),
    ...(await scripts()),
    ...(await Promise.all(modules.map(module))),
  ];
  const aside = `${of.into}.${process.pid}`;
  await writeFile(aside, cpio(entries));
  await rename(aside, of.into);
}

async function busybox(): Promise<CpioEntry[]> {
  const path = await firstOf(['/bin/busybox', '/usr/bin/busybox'], 'busybox-static');
  if ((await librariesOf(path)).length > 0) {
    throw new SlipwayFailure(
      'HostUnfit',
      `${path} is not static: install the Debian package busybox-static (it replaces busybox)`,
    );
  }
  return [
    { path: 'bin/busybox', mode: 0o755, content: await readFile(path) },
    { path: 'bin/sh', mode: 0o777, link: 'busybox' },
  ];
}

/** The programs and the libraries that they load, these at the path where the loader looks for them. */
async function programs(): Promise<CpioEntry[]> {
  const entries = new Map<string, CpioEntry>();
  for (const [path, debianPackage] of Object.entries(PROGRAMS)) {
    const program = await firstOf([path, path.replace('/usr/', '/')], debianPackage);
    entries.set(path, { path: `toolkit/${basename(path)}`, mode: 0o755, content: await readFile(program) });
    for (const library of await librariesOf(program)) {
      entries.set(library, { path: library.slice(1), mode: 0o755, content: await readFile(library) });
    }
  }
  return [...entries.values()];
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
  return { path: `modules/${order}-${basename(file)}`, mode: 0o644, content: await readFile(file) };
}

/** Absolute paths of the loader and the shared libraries of a program; none for a static one. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout, stderr } = await run(['ldd', program], { accept: [1] }).catch((error: unknown) => {
    if (!(error instanceof CommandFailed) || error.code !== 'ENOENT') throw error;
    throw new SlipwayFailure('HostUnfit', 'ldd is missing: install the Debian package libc-bin');
  });
  if (`${stdout}${stderr}`.includes('not a dynamic executable')) return [];
  const missing = /^\s*(\S+) => not found$/m.exec(stdout)?.[1];
  if (missing !== undefined) {
    throw new SlipwayFailure('HostUnfit', `${program} cannot run on this host: it lacks ${missing}`);
  }
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? '');
}

async function firstOf(paths: readonly string[], debianPackage: string): Promise<string> {
  for (const path of paths) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return realpath(path);
  }
  throw new SlipwayFailure(
    'HostUnfit',
    `${paths[0]} is missing: install the Debian package ${debianPackage}`,
  );
}
