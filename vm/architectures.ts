import { SlipwayFailure } from '../schema/failures.ts';
import { Architecture } from '../schema/request.ts';

/** What kernels of guests are for. */
export const KERNEL_ARCHITECTURES = ['amd64', 'arm64'] as const;
export type KernelArchitecture = (typeof KERNEL_ARCHITECTURES)[number];

interface ArchitectureFacts {
  /** Of the kernel and of what runs beside the build root: a 64-bit kernel runs 32-bit programs. */
  kernel: KernelArchitecture;
  /** Under which the commands run; `linux32`: `uname -m` names a 32-bit machine. */
  personality: 'linux' | 'linux32';
  /** What `uname -m` then says. */
  machine: string;
}

/** All architectures of build roots. */
export const ARCHITECTURES: Readonly<Record<Architecture, ArchitectureFacts>> = {
  amd64: { kernel: 'amd64', personality: 'linux', machine: 'x86_64' },
  i386: { kernel: 'amd64', personality: 'linux32', machine: 'i686' },
  arm64: { kernel: 'arm64', personality: 'linux', machine: 'aarch64' },
  armhf: { kernel: 'arm64', personality: 'linux32', machine: 'armv8l' },
};

export function kernelArchitecture(architecture: Architecture): KernelArchitecture {
  return ARCHITECTURES[architecture].kernel;
}

/** As Node names them. */
const OF_PROCESSOR: Readonly<Record<string, KernelArchitecture>> = { x64: 'amd64', arm64: 'arm64' };

/** What this host is. @throws SlipwayFailure HostUnfit where no guest has its processor */
export function nativeKernelArchitecture(processor: string = process.arch): KernelArchitecture {
  const found = OF_PROCESSOR[processor];
  if (found !== undefined) return found;
  throw new SlipwayFailure('HostUnfit', `slipway's workers run on amd64 and arm64, not on ${processor}`);
}

/** Those whose guests a host runs without emulation of another processor: its own, and that with 32 bits. */
export function nativeArchitectures(
  native: KernelArchitecture = nativeKernelArchitecture(),
): readonly Architecture[] {
  return Architecture.options.filter((each) => kernelArchitecture(each) === native);
}

/** Those that a host is to offer, its own first: what it lacks for another must not hide that it works. */
export function offeredArchitectures(
  { architectures }: { architectures?: readonly Architecture[] | undefined },
  native: readonly Architecture[] = nativeArchitectures(),
): Architecture[] {
  if (architectures === undefined) return [...native];
  const foreign = architectures.filter((each) => !native.includes(each));
  return [...native.filter((each) => architectures.includes(each)), ...foreign];
}
