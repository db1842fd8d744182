import { MONITOR_FDS } from '../supervisor/open-files.ts';
import type { GuestSpec } from '../vm.ts';

/** Who QEMU runs as on the host. */
export interface Identity {
  uid: number;
  gid: number;
}

/** The command line of a guest: QEMU without a right to anything but the files that were opened for it. */
export function qemuArguments(
  accelerator: 'kvm' | 'tcg',
  spec: GuestSpec,
  identity: Identity,
): [string, ...string[]] {
  return [
    ...confined(identity),
    ...['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none'],
    // A system call filter for what is left: no new programs, no change of user, no priorities.
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...machine(accelerator, spec),
    ...boot(accelerator),
    ...monitor(),
    ...disk('disk', 'vda'),
    ...disk('swap', 'vdb'),
    ...channels(),
  ];
}

/** The user changes before QEMU starts, since its own `-runas` dies of its own filter. A crash leaves no core. */
function confined({ uid, gid }: Identity): [string, ...string[]] {
  return [
    'setpriv',
    ...[`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs'],
    ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
    ...['prlimit', '--core=0', '--'],
  ];
}

function machine(accelerator: 'kvm' | 'tcg', spec: GuestSpec): string[] {
  return [
    // q35 for its PCI Express (pvpanic-pci); without the devices that nobody uses and a hostile guest could poke.
    ...['-machine', 'q35,sata=off,smbus=off,usb=off,vmport=off,i8042=off,graphics=off,dump-guest-core=off'],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    // Under TCG `max` runs perl and SHA-256 2.7 times faster than the default.
    ...['-cpu', accelerator === 'kvm' ? 'host' : 'max'],
    ...['-smp', String(spec.cpus), '-m', `${spec.memoryMiB}M`],
    ...['-rtc', 'base=utc'],
    // QEMU tells a panic and a reset over QMP, then ends; pvpanic is how the guest tells it.
    ...['-device', 'pvpanic-pci', '-action', 'panic=shutdown,reboot=shutdown'],
  ];
}

/** Kernel and initramfs by number: their names mean nothing to QEMU's user. */
function boot(accelerator: 'kvm' | 'tcg'): string[] {
  // What a real processor needs against its own speculation costs an emulated one a tenth of a build; so does the fifth
  // level of page tables, which `max` has and no guest here needs.
  const emulated = accelerator === 'tcg' ? ' mitigations=off no5lvl' : '';
  return [
    ...[
      '-kernel',
      `/proc/self/fd/${MONITOR_FDS.kernel}`,
      '-initrd',
      `/proc/self/fd/${MONITOR_FDS.initramfs}`,
    ],
    // panic=-1: a kernel without pvpanic resets itself at once instead of standing still.
    ...['-append', `console=ttyS0 panic=-1${emulated}`],
  ];
}

/** QMP on standard input and output, which only the supervisor has the other ends of. */
function monitor(): string[] {
  return ['-chardev', 'stdio,id=qmp,signal=off', '-mon', 'chardev=qmp,mode=control'];
}

function disk(name: 'disk' | 'swap', device: string): string[] {
  const file = {
    driver: 'file',
    filename: fdSet(name),
    // Throwaway: no flush ever reaches the host's disk, and nobody else opens it meanwhile.
    locking: 'off',
    discard: 'unmap',
    cache: { 'no-flush': true },
  };
  const format = { 'node-name': name, driver: 'raw', discard: 'unmap', cache: { 'no-flush': true }, file };
  return [
    ...passed(name),
    // The format is pinned: probing it would let the guest choose one, with a backing file of the host.
    ...['-blockdev', JSON.stringify(format)],
    ...['-object', `iothread,id=io-${name}`],
    // An error of the host's disk stops the guest and is told over QMP; it is not the guest's to handle.
    ...[
      '-device',
      `virtio-blk-pci,drive=${name},serial=${device},iothread=io-${name},werror=stop,rerror=stop`,
    ],
  ];
}

function channels(): string[] {
  return [
    ...['-device', 'virtio-serial-pci'],
    ...appended('log'),
    ...['-device', 'virtserialport,chardev=log,name=slipway.log'],
    ...appended('control'),
    ...['-device', 'virtserialport,chardev=control,name=slipway.control'],
    ...appended('console'),
    ...['-serial', 'chardev:console'],
  ];
}

/** A character device that appends to a file: no reader is needed, and nothing is lost while the worker is away. */
function appended(name: 'log' | 'control' | 'console'): string[] {
  return [...passed(name), '-chardev', `file,id=${name},path=${fdSet(name)},append=on`];
}

function passed(name: keyof typeof MONITOR_FDS): string[] {
  return ['-add-fd', `fd=${MONITOR_FDS[name]},set=${MONITOR_FDS[name]}`];
}

function fdSet(name: keyof typeof MONITOR_FDS): string {
  return `/dev/fdset/${MONITOR_FDS[name]}`;
}
