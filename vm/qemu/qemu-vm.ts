import { statSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { SlipwayFailure } from '../../schema/failures.ts';
import { Architecture, ISOLATION_OF } from '../../schema/request.ts';
import { kernelArchitecture, nativeArchitectures } from '../architectures.ts';
import { LAUNCH_PROGRAMS } from '../launch.ts';
import { createSupervisedVm } from '../supervised-vm.ts';
import type { GuestSpec, Vm } from '../vm.ts';
import { type Extras, type Identity, qemuArguments } from './arguments.ts';
import { type HugePages, hugePagePool, requireHugePages } from './huge-pages.ts';
import { MACHINES } from './machines.ts';

export interface QemuVmOptions extends Identity {
  /** `kvm`: hardware virtualization; `qemu`: emulation. Whether kvm works is for the probe to find out. */
  type: 'kvm' | 'qemu';
  /** Of what the memory of guests consists. Default: ordinary pages. */
  hugePages?: HugePages | false;
  /** Words of the operator at the end of QEMU's command line. */
  options?: readonly string[];
}

const KVM = '/dev/kvm';

/** Guests run by QEMU, unprivileged (`uid`, `gid`: best ones that nobody else on the host has) and without network. */
export function createQemuVm({ type, uid, gid, hugePages = false, options = [] }: QemuVmOptions): Vm {
  const accelerator = type === 'kvm' ? 'kvm' : 'tcg';
  return createSupervisedVm({
    type,
    isolation: ISOLATION_OF[type],
    architectures: type === 'kvm' ? nativeArchitectures() : Architecture.options,
    check: async (spec) => {
      await requirePrograms(spec);
      requireMemory(spec);
      if (hugePages !== false) requireHugePages(spec.memoryMiB, hugePages);
      if (type === 'kvm') await requireKvm();
    },
    monitor: (spec) => ({
      argv: qemuArguments(accelerator, spec, { uid, gid }, extrasOf(spec, hugePages, options)),
      exclusive: true,
      ...(type === 'kvm' ? { device: { path: KVM, uid } } : {}),
    }),
  });
}

function extrasOf(spec: GuestSpec, hugePages: HugePages | false, options: readonly string[]): Extras {
  const isDevice = (path: string) => statSync(path, { throwIfNoEntry: false })?.isBlockDevice() ?? false;
  return {
    devices: { disk: isDevice(spec.disk), swap: isDevice(spec.swap) },
    ...(hugePages === false ? {} : { hugePageMiB: hugePagePool(hugePages).sizeMiB }),
    options,
  };
}

const PROGRAMS = {
  setpriv: 'util-linux',
  prlimit: 'util-linux',
} as const;

async function requirePrograms({ architecture }: GuestSpec): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new SlipwayFailure('HostUnfit', 'a VM is started by root, which gives up its rights for QEMU', {
      advice: 'Run the worker as root.',
    });
  }
  const qemu = MACHINES[kernelArchitecture(architecture)];
  const packages: Record<string, string> = { [qemu.program]: qemu.package, ...PROGRAMS };
  for (const program of LAUNCH_PROGRAMS) packages[program] = 'util-linux';
  for (const [program, from] of Object.entries(packages)) {
    if (await isInstalled(program)) continue;
    throw new SlipwayFailure('HostUnfit', `${program} is not installed`, {
      advice: `Install the package ${from}.`,
    });
  }
}

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    const found = await access(`${folder}/${program}`, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

function requireMemory(spec: GuestSpec): void {
  const has = Math.floor(totalmem() / 1024 ** 2);
  if (spec.memoryMiB <= has) return;
  throw new SlipwayFailure(
    'HostUnfit',
    `the guest wants ${spec.memoryMiB} MiB of memory, the host has ${has} MiB`,
    {
      advice: 'Lower resources.memoryMiB or build on a larger host.',
    },
  );
}

async function requireKvm(): Promise<void> {
  const found = await access(KVM).then(
    () => true,
    () => false,
  );
  if (found) return;
  throw new SlipwayFailure('HostUnfit', `${KVM} does not exist`, {
    advice:
      'Switch on virtualization (VT-x, AMD-V) in the firmware, or nested virtualization where the host is a VM, and load the module kvm_intel or kvm_amd; else use the VM type qemu.',
  });
}
