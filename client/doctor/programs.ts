import { open } from 'node:fs/promises';
import { CommandFailed, run } from '../../host/run.ts';
import { kernelArchitecture, offeredArchitectures } from '../../vm/architectures.ts';
import { MACHINES } from '../../vm/qemu/machines.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { type Finding, failed, ok, warning } from './check.ts';

/** Programs that every worker runs, how to ask each for its version, and the Debian package that has it. */
const PROGRAMS: readonly { argv: [string, ...string[]]; package: string }[] = [
  { argv: ['mke2fs', '-V'], package: 'e2fsprogs' },
  { argv: ['filefrag', '-V'], package: 'e2fsprogs' },
  { argv: ['flock', '--version'], package: 'util-linux' },
  { argv: ['unshare', '--version'], package: 'util-linux' },
  { argv: ['setpriv', '--version'], package: 'util-linux' },
  { argv: ['apt-get', '--version'], package: 'apt' },
  { argv: ['apt-ftparchive', '--version'], package: 'apt-utils' },
  { argv: ['gpgv', '--version'], package: 'gpgv' },
  { argv: ['dpkg-deb', '--version'], package: 'dpkg' },
  { argv: ['dpkg-source', '--version'], package: 'dpkg-dev' },
  { argv: ['xz', '--version'], package: 'xz-utils' },
  { argv: ['zstd', '--version'], package: 'zstd' },
];

const FILESYSTEM = 'builds that ask for it fail here';

/** Without one a host builds all the same; `lacks` says what it does not do. */
const OPTIONAL: readonly ((typeof PROGRAMS)[number] & { lacks: string })[] = [
  { argv: ['mkfs.xfs', '-V'], package: 'xfsprogs', lacks: FILESYSTEM },
  { argv: ['mkfs.btrfs', '--version'], package: 'btrfs-progs', lacks: FILESYSTEM },
  { argv: ['gpg', '--version'], package: 'gpg', lacks: 'slipway publish cannot sign here' },
  { argv: ['perl', '-e', 'print $^V'], package: 'perl-base', lacks: 'no containers here' },
];

export async function checkPrograms({ vm }: Pick<Configuration, 'vm'>): Promise<Finding[]> {
  const kernels = new Set(offeredArchitectures(vm).map(kernelArchitecture));
  const qemu = [...kernels].map((each) => MACHINES[each]);
  const found = await Promise.all([
    ...qemu.map((each) => checkProgram({ argv: [each.program, '--version'], package: each.package })),
    ...PROGRAMS.map(checkProgram),
    ...OPTIONAL.map(checkOptional),
  ]);
  return [...found, await checkBusybox()];
}

async function checkProgram({ argv, package: from }: (typeof PROGRAMS)[number]): Promise<Finding> {
  const [name] = argv;
  try {
    // Some have no such option and say their version all the same.
    const { stdout, stderr } = await run(argv, { timeout: 20_000, accept: [1, 2] });
    return ok(name, (stdout.trim() || stderr.trim()).split('\n')[0] ?? '');
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const reason =
      error.code === 'ENOENT' ? 'is not installed' : `does not run: ${error.message.split('\n')[0]}`;
    return failed(name, reason, `apt-get install ${from}`);
  }
}

async function checkOptional(program: (typeof OPTIONAL)[number]): Promise<Finding> {
  const found = await checkProgram(program);
  if (found.state !== 'failed') return found;
  const { name, what, advice = '' } = found;
  return warning(name, `${what}: ${program.lacks}`, advice);
}

async function checkBusybox(): Promise<Finding> {
  for (const path of ['/bin/busybox', '/usr/bin/busybox']) {
    const header = await readHeader(path);
    if (header === undefined) continue;
    if (!header.subarray(0, ELF.length).equals(ELF)) {
      return failed('busybox', `${path} is no 64-bit program`, REINSTALL);
    }
    if (hasInterpreter(header)) {
      return failed('busybox', `${path} is not static`, 'apt-get install busybox-static');
    }
    return runBusybox(path);
  }
  return failed('busybox', 'is not installed', 'apt-get install busybox-static');
}

/** One that is cut short or of another machine does not run, whatever its header says. */
async function runBusybox(path: string): Promise<Finding> {
  try {
    const { stdout } = await run([path, 'echo', 'it runs'], { timeout: 20_000 });
    if (stdout.trim() === 'it runs') return ok('busybox', `${path}, static`);
    return failed('busybox', `${path} is no busybox`, REINSTALL);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return failed('busybox', `${path} does not run: ${error.message.split('\n')[0]}`, REINSTALL);
  }
}

const REINSTALL = 'apt-get install --reinstall busybox-static';

const ELF = Buffer.from('\x7fELF\x02', 'latin1');
const PT_INTERP = 3;

/** The start of a file, zeros after its end; undefined where there is no such file. */
async function readHeader(path: string): Promise<Buffer | undefined> {
  const header = Buffer.alloc(4096);
  try {
    const file = await open(path);
    try {
      await file.read(header, 0, header.length, 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return header;
}

/** Whether a 64-bit ELF program asks for a dynamic loader. */
function hasInterpreter(header: Buffer): boolean {
  const [offset, size, count] = [
    Number(header.readBigUInt64LE(32)),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  const starts = Array.from({ length: count }, (_, index) => offset + index * size);
  return starts.some((at) => at + 4 <= header.length && header.readUInt32LE(at) === PT_INTERP);
}
