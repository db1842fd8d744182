import type { KernelArchitecture } from '../architectures.ts';

export type Accelerator = 'kvm' | 'tcg';

/** What QEMU emulates around the processor of a guest. */
export interface QemuMachine {
  program: string;
  /** Debian package that has the program. */
  package: string;
  /** Value of `-machine`: without the devices that nobody uses and a hostile guest could poke. */
  machine: string;
  cpu: Readonly<Record<Accelerator, string>>;
  /** Further devices. */
  devices: readonly string[];
  /** The serial port that is the kernel's console. */
  console: string;
  /** What else an emulated kernel is told. */
  emulated: string;
}

export const MACHINES: Readonly<Record<KernelArchitecture, QemuMachine>> = {
  amd64: {
    program: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    // q35 for its PCI Express (pvpanic-pci).
    machine: 'q35,sata=off,smbus=off,usb=off,vmport=off,i8042=off,graphics=off,dump-guest-core=off',
    // Under TCG `max` runs perl and SHA-256 2.7 times faster than the default. With `erms` and `fsrm` the guest copies by
    // `rep movsb`, which TCG does byte by byte. CPU time without them, one boot each on a busy machine: the kernel's
    // copies of files 0.09 for 0.56 s (0.28 for 0.56 in another run), memcpy 0.13 for 0.51, stat 0.19 for 0.50.
    cpu: { kvm: 'host', tcg: 'max,-erms,-fsrm' },
    // QEMU tells a panic over QMP, then ends; pvpanic is how the guest tells it.
    devices: ['pvpanic-pci'],
    console: 'ttyS0',
    // What a real processor needs against its own speculation costs an emulated one a tenth of a build; so does the
    // fifth level of page tables, which `max` has and no guest here needs. The kernel's tests of its own ciphers test the
    // emulator, for 0.4 to 0.6 of the 3.7 s of CPU time until the guest's first word.
    emulated: 'mitigations=off no5lvl cryptomgr.notests',
  },
  arm64: {
    program: 'qemu-system-aarch64',
    package: 'qemu-system-arm',
    machine: 'virt,gic-version=max,usb=off,dump-guest-core=off',
    // `max` as it is takes five times as long to boot: pointer authentication, in software.
    cpu: { kvm: 'host', tcg: 'max,pauth=off,sve=off' },
    // Debian's arm64 kernels have no driver for pvpanic: a panic is a reset.
    devices: [],
    console: 'ttyAMA0',
    emulated: 'mitigations=off',
  },
};
