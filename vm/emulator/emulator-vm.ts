import { existsSync, statSync } from 'node:fs';
import { CommandFailed, run } from '../../host/run.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { Architecture, type Isolation } from '../../schema/request.ts';
import { kernelArchitecture } from '../architectures.ts';
import { MACHINES } from '../qemu/machines.ts';
import { createSupervisedVm } from '../supervised-vm.ts';
import { MONITOR_FDS } from '../supervisor/open-files.ts';
import type { GuestSpec, Vm } from '../vm.ts';

export interface EmulatorVmOptions {
  /** Absolute path of the operator's program: docs/emulator.md says what it must do. */
  program: string;
  /** The operator's word. */
  isolation: Isolation;
  /** How it tells what became of the guest; see MonitorCommand. */
  protocol: 'exit' | 'qmp';
  /** A character device that it may open. */
  device?: string | undefined;
  /** Who it runs as. */
  uid: number;
  gid: number;
}

/** Guests that a program of the operator's own runs: as confined as QEMU, with the files of the guest open for it. */
export function createEmulatorVm(options: EmulatorVmOptions): Vm {
  const { isolation, protocol, device, uid } = options;
  return createSupervisedVm({
    type: 'emulator',
    isolation,
    // Whatever the program can do: a probe finds out.
    architectures: Architecture.options,
    check: () => check(options),
    monitor: (spec) => ({
      argv: emulatorArguments(spec, options),
      protocol,
      exclusive: true,
      ...(device === undefined ? {} : { device: { path: device, uid } }),
    }),
  });
}

/** How it is started: without rights, groups and core dumps, in an environment of nothing but the guest's parameters. */
export function emulatorArguments(
  spec: GuestSpec,
  { program, uid, gid }: Pick<EmulatorVmOptions, 'program' | 'uid' | 'gid'>,
): [string, ...string[]] {
  return [...confined(uid, gid), 'env', ...environment(spec), program];
}

function confined(uid: number, gid: number): [string, ...string[]] {
  return [
    'setpriv',
    ...[`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs'],
    ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
    ...['prlimit', '--core=0', '--'],
  ];
}

function environment(spec: GuestSpec): string[] {
  const kernel = kernelArchitecture(spec.architecture);
  const parameters: Record<string, string | number> = {
    SLIPWAY_EMULATOR: 1,
    SLIPWAY_PHASE: spec.phase,
    SLIPWAY_ARCHITECTURE: spec.architecture,
    SLIPWAY_KERNEL_ARCHITECTURE: kernel,
    SLIPWAY_CPUS: spec.cpus,
    SLIPWAY_MEMORY_MIB: spec.memoryMiB,
    // The emulator may add to it. panic=-1: a panic ends the guest at once.
    SLIPWAY_KERNEL_COMMAND_LINE: `console=${MACHINES[kernel].console} panic=-1`,
  };
  for (const [name, fd] of Object.entries(MONITOR_FDS)) parameters[`SLIPWAY_${name.toUpperCase()}_FD`] = fd;
  for (const which of ['disk', 'swap'] as const) {
    const isDevice = statSync(spec[which], { throwIfNoEntry: false })?.isBlockDevice() ?? false;
    parameters[`SLIPWAY_${which.toUpperCase()}_KIND`] = isDevice ? 'device' : 'file';
  }
  return Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
}

async function check({ program, device, uid, gid }: EmulatorVmOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new SlipwayFailure(
      'HostUnfit',
      'a VM is started by root, which gives up its rights for the emulator',
      {
        advice: 'Run the worker as root.',
      },
    );
  }
  if (!existsSync(program))
    throw unfit(`the emulator ${program} does not exist`, 'Correct vm.emulator.program.');
  if (!(await mayRun(program, uid, gid))) {
    throw unfit(
      `the emulator ${program} is no program that uid ${uid} may run`,
      `Make it and its folders readable and executable for all: chmod 755 ${program}.`,
    );
  }
  if (device === undefined || statSync(device, { throwIfNoEntry: false })?.isCharacterDevice()) return;
  throw unfit(
    `the device ${device} of the emulator is no character device here`,
    'Load its module, or correct vm.emulator.device.',
  );
}

/** Asked of the kernel as that very user: folders on the way and their rights count as well. */
async function mayRun(program: string, uid: number, gid: number): Promise<boolean> {
  const as = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--'];
  try {
    await run(['setpriv', ...as, 'test', '-f', program, '-a', '-x', program], { timeout: 20_000 });
    return true;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    if (error.code === 'ENOENT') throw unfit('setpriv is not installed', 'Install the package util-linux.');
    return false;
  }
}

function unfit(message: string, advice: string): SlipwayFailure {
  return new SlipwayFailure('HostUnfit', message, { advice });
}
