import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SlipwayFailure } from '../../schema/failures.ts';
import { ISOLATION_OF } from '../../schema/request.ts';
import type { MonitorCommand } from '../folder.ts';
import { createSupervisedVm } from '../supervised-vm.ts';
import type { GuestSpec, Vm } from '../vm.ts';
import { createGroups, groupsOf } from './control-groups.ts';
import { requireHost } from './requirements.ts';

const ENTER = fileURLToPath(new URL('./enter', import.meta.url));

/**
 * The host's id of the guest's root; 65536 from there on are the guest's. Where systemd-nspawn begins, so that no
 * person's subordinate ids are likely to be among them.
 */
export const FIRST_ID = 524_288;

/** Exit code that says that the host has no room: guest/scripts/container. */
const NO_ROOM = 75;

/**
 * Guests in namespaces of the host's own kernel: as fast as the host, and for packages that are trusted, because a hole
 * in that kernel is a way out. Kernel and modules are the host's; of the initramfs the programs and the configuration
 * are used.
 */
export function createContainerVm(): Vm {
  const vm = createSupervisedVm({
    type: 'container',
    isolation: ISOLATION_OF.container,
    ownControlGroups: true,
    check: async (spec) => {
      requireHost();
      requireOurs(spec);
    },
    monitor,
  });
  const bare = (spec: GuestSpec) => ({ ...spec, kernel: '/dev/null' });
  return { ...vm, start: (folder, spec, deadline) => vm.start(folder, bare(spec), deadline) };
}

function monitor(spec: GuestSpec, folder: string): MonitorCommand {
  const groups = createGroups(folder, spec);
  return {
    argv: [
      ...(['taskset', '--cpu-list', cpusOf(spec)] as const),
      // Whatever ends it, the kernel ends all of its pid namespace with it.
      ...[
        'unshare',
        '--mount',
        '--propagation',
        'private',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
      ],
      ...['perl', ENTER, folder, String(FIRST_ID), spec.filesystem.name, mountOptions(spec)],
      ...[String(spec.memoryMiB * 1024)],
      ...Object.entries(groups).map(([controller, group]) => `${controller}=${group}`),
    ],
    protocol: 'exit',
    noRoomCode: NO_ROOM,
    holds: { groups: groupsOf(folder), files: [spec.disk, spec.swap] },
  };
}

/** So that a build sees as many CPUs as it was given; which ones is spread over the host by chance. */
function cpusOf({ cpus }: GuestSpec): string {
  const all = allowedCpus();
  const first = Math.floor(Math.random() * all.length);
  const count = Math.min(cpus, all.length);
  return Array.from({ length: count }, (_, index) => all[(first + index) % all.length]).join(',');
}

/** Numbers of the CPUs that this process may use. */
function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** A broken disk ends a virtual machine by a panic of its own kernel: here that would be the host's. */
export function mountOptions({ filesystem }: Pick<GuestSpec, 'filesystem'>): string {
  const options = filesystem.mountOptions
    .map((option) => (option === 'errors=panic' ? 'errors=remount-ro' : option))
    .filter((option) => option !== 'fatal_errors=panic');
  // The disks of two builds may be copies of one kept build root: xfs mounts no two of the same name.
  if (filesystem.name === 'xfs') options.push('nouuid');
  return options.length === 0 ? 'defaults' : options.join(',');
}

function requireOurs({ disk, swap }: GuestSpec): void {
  for (const path of [disk, swap]) {
    if (existsSync(path)) continue;
    throw new SlipwayFailure('HostUnfit', `the guest's ${path} does not exist`);
  }
}
