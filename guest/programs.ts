import { access, readFile, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CommandFailed, run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { KernelArchitecture } from '../vm/architectures.ts';
import type { CpioEntry } from './cpio.ts';
import { elfNeeds } from './elf.ts';
import { unpackOnce } from './unpacked.ts';

/** Programs beside busybox, with their Debian packages. */
const PROGRAMS = {
  // Changes root, folder and user in one step, and looks the program up in the new root (busybox would run its own).
  '/usr/bin/nsenter': 'util-linux',
  // In a container, to give up capabilities.
  '/usr/bin/setpriv': 'util-linux',
  '/usr/bin/find': 'findutils',
  '/usr/sbin/filefrag': 'e2fsprogs',
} as const;

/** What must be unpacked where the programs are not the host's own. */
export const TOOLKIT_PACKAGES = ['busybox-static', ...Object.values(PROGRAMS)] as const;

/** Where the programs of a guest come from: this host, or a folder of unpacked packages. */
export type ProgramSource = 'host' | { tree: string; architecture: KernelArchitecture };

/**
 * Unpacks what TOOLKIT_PACKAGES and their dependencies are in another architecture than the host's, once.
 * @throws SlipwayFailure InputRejected, HostUnfit
 */
export function unpackPrograms(of: {
  debs: readonly string[];
  cache: string;
  signal?: AbortSignal | undefined;
}): Promise<string> {
  return unpackOnce({ ...of, into: join(of.cache, 'toolkits'), finish: async () => {} });
}

/**
 * busybox as /bin/busybox and /bin/sh; the other programs in /toolkit; the libraries that they load, where the loader
 * looks for them.
 * @throws SlipwayFailure HostUnfit where the host lacks a program, InputRejected where the packages do; names the package
 */
export async function programEntries(source: ProgramSource): Promise<CpioEntry[]> {
  const find = source === 'host' ? onHost : inTree(source.tree);
  const libraries = source === 'host' ? librariesOnHost : librariesIn(source);
  const busybox = await find(['/bin/busybox', '/usr/bin/busybox'], 'busybox-static');
  if ((await libraries(busybox)).length > 0) {
    throw new SlipwayFailure(
      source === 'host' ? 'HostUnfit' : 'InputRejected',
      `${busybox} is not static: install the Debian package busybox-static (it replaces busybox)`,
    );
  }
  const entries = new Map<string, CpioEntry>();
  for (const [path, debianPackage] of Object.entries(PROGRAMS)) {
    const program = await find([path, path.replace('/usr/', '/')], debianPackage);
    entries.set(path, { path: `toolkit/${basename(path)}`, mode: 0o755, content: await readFile(program) });
    for (const { file, at } of await libraries(program)) {
      entries.set(at, { path: at.slice(1), mode: 0o755, content: await readFile(file) });
    }
  }
  return [
    { path: 'bin/busybox', mode: 0o755, content: await readFile(busybox) },
    { path: 'bin/sh', mode: 0o777, link: 'busybox' },
    ...entries.values(),
  ];
}

/** A library or loader: the file, and where it lies in the guest. */
interface Library {
  file: string;
  at: string;
}

/** Of a dynamic program; none of a static one. */
async function librariesOnHost(program: string): Promise<Library[]> {
  const { stdout, stderr } = await run(['ldd', program], { accept: [1] }).catch((error: unknown) => {
    if (!(error instanceof CommandFailed) || error.code !== 'ENOENT') throw error;
    throw new SlipwayFailure('HostUnfit', 'ldd is missing: install the Debian package libc-bin');
  });
  if (`${stdout}${stderr}`.includes('not a dynamic executable')) return [];
  const missing = /^\s*(\S+) => not found$/m.exec(stdout)?.[1];
  if (missing !== undefined) {
    throw new SlipwayFailure('HostUnfit', `${program} cannot run on this host: it lacks ${missing}`);
  }
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path = '']) => ({
    file: path,
    at: path,
  }));
}

const TRIPLETS: Readonly<Record<KernelArchitecture, string>> = {
  amd64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
};

/** The same by reading: programs of another architecture do not run here. */
function librariesIn({ tree, architecture }: Exclude<ProgramSource, 'host'>) {
  const folders = [`/lib/${TRIPLETS[architecture]}`, '/lib'];
  const find = inTree(tree);
  return async (program: string): Promise<Library[]> => {
    const found = new Map<string, Library>();
    const queue = [program];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      const { interpreter, libraries } = elfNeeds(await readFile(file));
      const loader = interpreter === undefined ? [] : [{ name: interpreter, paths: [interpreter] }];
      const named = libraries.map((name) => ({ name, paths: folders.map((folder) => join(folder, name)) }));
      for (const { name, paths } of [...loader, ...named]) {
        if (found.has(name)) continue;
        const both = paths.flatMap((path) => [path, join('/usr', path)]);
        const library = await find(both, `that ${basename(program)} loads ${basename(name)} from`);
        found.set(name, { file: library, at: paths[0] ?? name });
        queue.push(library);
      }
    }
    return [...found.values()];
  };
}

async function onHost(paths: readonly string[], debianPackage: string): Promise<string> {
  const found = await firstOf(paths, '/');
  if (found !== undefined) return found;
  throw new SlipwayFailure(
    'HostUnfit',
    `${paths[0]} is missing: install the Debian package ${debianPackage}`,
  );
}

function inTree(tree: string) {
  return async (paths: readonly string[], debianPackage: string): Promise<string> => {
    const found = await firstOf(paths, tree);
    if (found !== undefined) return found;
    throw new SlipwayFailure(
      'InputRejected',
      `the programs for the guest have no ${paths[0]}: the package ${debianPackage} is missing`,
    );
  };
}

/** The first that is there, symlinks followed; one that leads out of the root is not there. */
async function firstOf(paths: readonly string[], root: string): Promise<string | undefined> {
  const within = await realpath(root);
  for (const path of paths) {
    const real = await realpath(join(root, path)).catch(() => undefined);
    if (real === undefined || !real.startsWith(within === '/' ? '/' : `${within}/`)) continue;
    const there = await access(real).then(
      () => true,
      () => false,
    );
    if (there) return real;
  }
  return undefined;
}
