import { kernelArchitecture } from '../architectures.ts';
import { MONITOR_FDS } from '../supervisor/open-files.ts';
import type { GuestSpec } from '../vm.ts';
import { type Accelerator, MACHINES, type QemuMachine } from './machines.ts';

/** Who QEMU runs as on the host. */
export interface Identity {
  uid: number;
  gid: number;
}

/** What the host's operator adds; nothing of it comes from a request. */
export interface Extras {
  /** Which of them are block devices and not files. */
  devices?: { disk: boolean; swap: boolean };
  /** Size of the huge pages that the memory consists of, MiB; absent: of ordinary ones. */
  hugePageMiB?: number;
  /** Words at the end. */
  options?: readonly string[];
}

/** The command line of a guest: QEMU without a right to anything but the files that were opened for it. */
export function qemuArguments(
  accelerator: Accelerator,
  spec: GuestSpec,
  identity: Identity,
  extras: Extras = {},
): [string, ...string[]] {
  const of = MACHINES[kernelArchitecture(spec.architecture)];
  return [
    ...confined(identity),
    ...[of.program, '-nodefaults', '-no-user-config', '-display', 'none'],
    // A system call filter for what is left: no new programs, no change of user, no priorities.
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...machine(of, accelerator, spec),
    ...memory(spec, extras.hugePageMiB),
    ...boot(of, accelerator),
    ...monitor(),
    ...disk('disk', 'vda', extras.devices?.disk),
    ...disk('swap', 'vdb', extras.devices?.swap),
    ...channels(),
    ...(extras.options ?? []),
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

function machine(of: QemuMachine, accelerator: Accelerator, spec: GuestSpec): string[] {
  return [
    ...['-machine', of.machine],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ...['-cpu', of.cpu[accelerator]],
    ...['-smp', String(spec.cpus)],
    ...['-rtc', 'base=utc'],
    // QEMU tells a panic and a reset over QMP, then ends.
    ...of.devices.flatMap((device) => ['-device', device]),
    ...['-action', 'panic=shutdown,reboot=shutdown'],
  ];
}

/** Huge pages without a mount of hugetlbfs, which QEMU's user could not reach. Their number is rounded up. */
function memory({ memoryMiB }: GuestSpec, hugePageMiB: number | undefined): string[] {
  if (hugePageMiB === undefined) return ['-m', `${memoryMiB}M`];
  const size = Math.ceil(memoryMiB / hugePageMiB) * hugePageMiB;
  const backend = `memory-backend-memfd,id=memory,size=${size}M,hugetlb=on,hugetlbsize=${hugePageMiB}M`;
  return ['-m', `${size}M`, '-object', backend, '-machine', 'memory-backend=memory'];
}

/** Kernel and initramfs by number: their names mean nothing to QEMU's user. */
function boot(of: QemuMachine, accelerator: Accelerator): string[] {
  const words = [`console=${of.console}`, 'panic=-1', ...(accelerator === 'tcg' ? [of.emulated] : [])];
  return [
    ...[
      '-kernel',
      `/proc/self/fd/${MONITOR_FDS.kernel}`,
      '-initrd',
      `/proc/self/fd/${MONITOR_FDS.initramfs}`,
    ],
    // panic=-1: a kernel without pvpanic resets itself at once instead of standing still.
    ...['-append', words.join(' ')],
  ];
}

/** QMP on standard input and output, which only the supervisor has the other ends of. */
function monitor(): string[] {
  return ['-chardev', 'stdio,id=qmp,signal=off', '-mon', 'chardev=qmp,mode=control'];
}

function disk(name: 'disk' | 'swap', device: string, isBlockDevice = false): string[] {
  const file = {
    driver: isBlockDevice ? 'host_device' : 'file',
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
