import { access, constants } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { SlipwayFailure } from '../../schema/failures.ts';
import { ISOLATION_OF } from '../../schema/request.ts';
import { LAUNCH_PROGRAMS } from '../launch.ts';
import { createSupervisedVm } from '../supervised-vm.ts';
import type { GuestSpec, Vm } from '../vm.ts';
import { type Identity, qemuArguments } from './arguments.ts';

export interface QemuVmOptions extends Identity {
  /** `kvm`: hardware virtualization; `qemu`: emulation. Whether kvm works is for the probe to find out. */
  type: 'kvm' | 'qemu';
}

const KVM = '/dev/kvm';

/** Guests run by QEMU, unprivileged (`uid`, `gid`: best ones that nobody else on the host has) and without network. */
export function createQemuVm({ type, uid, gid }: QemuVmOptions): Vm {
  const accelerator = type === 'kvm' ? 'kvm' : 'tcg';
  return createSupervisedVm({
    type,
    isolation: ISOLATION_OF[type],
    check: async (spec) => {
      await requirePrograms();
      requireMemory(spec);
      if (type === 'kvm') await requireKvm();
    },
    monitor: (spec) => ({
      argv: qemuArguments(accelerator, spec, { uid, gid }),
      ...(type === 'kvm' ? { device: { path: KVM, uid } } : {}),
    }),
  });
}

const PROGRAMS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
} as const;

async function requirePrograms(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new SlipwayFailure('HostUnfit', 'a VM is started by root, which gives up its rights for QEMU', {
      advice: 'Run the worker as root.',
    });
  }
  const packages: Record<string, string> = { ...PROGRAMS };
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
