import { fileURLToPath } from 'node:url';
import type { Isolation, VmType } from '../../schema/request.ts';
import { createSupervisedVm } from '../../vm/supervised-vm.ts';
import type { GuestSpec, Vm } from '../../vm/vm.ts';

/** What a fake guest does. */
export interface FakeScenario {
  /**
   * Default `success`. `failing-command`, `disk-full`, `out-of-memory`, `names`: a status of that kind. `panic`,
   * `reset`, `crash` (QEMU dies), `hang` (no more heartbeat), `silence` (heartbeat, no log), `flood` (endless log),
   * `long` (heartbeat and log without end), `no-status` (powers off without), `status-then-hang`, `never-boots`,
   * `no-space` (the host's disk is full).
   */
  behaviour?:
    | 'success'
    | 'failing-command'
    | 'disk-full'
    | 'out-of-memory'
    | 'names'
    | 'panic'
    | 'reset'
    | 'crash'
    | 'hang'
    | 'silence'
    | 'long'
    | 'flood'
    | 'no-status'
    | 'status-then-hang'
    | 'never-boots'
    | 'no-space';
  /** What the commands print. Default: one line. */
  log?: string;
  /** How long the commands run, with a heartbeat, before the behaviour shows. Default 0. */
  milliseconds?: number;
  /** Whether they print a line with each heartbeat, every 0.1 s, numbered from 0. */
  counts?: boolean;
  /** Of the failing command. Default 1. */
  exitCode?: number;
  /** Index of the failing command. Default 0. */
  command?: number;
  /**
   * Results by path, only where the spec has an output folder: their content lies in extents on the disk (in its second
   * half, whatever is there) or on the swap, which must be large enough. `{ bytes }`: so many, of a pattern.
   */
  files?: Readonly<Record<string, { content: string | { bytes: number }; on?: 'disk' | 'swap' }>>;
}

export interface FakeVmOptions {
  /** One for all boots, or by boot: `(spec) => (spec.phase === 'build' ? … : {})`. */
  scenario: FakeScenario | ((spec: GuestSpec) => FakeScenario);
  /** Default `qemu` and `emulated`. */
  type?: VmType;
  isolation?: Isolation;
}

const GUEST = fileURLToPath(new URL('./fake-guest.ts', import.meta.url));

/**
 * A VM with the real supervisor (so it needs root) and a program instead of QEMU; a success takes 0.4 s. The spec's
 * disk and swap (16 MiB or more) must exist; kernel and initramfs need not.
 */
export function createFakeVm({ scenario, type = 'qemu', isolation = 'emulated' }: FakeVmOptions): Vm {
  const vm = createSupervisedVm({
    type,
    isolation,
    check: async () => {},
    monitor: ({ phase, nonce, commands, outputDirectory, ...rest }) => ({
      argv: [
        process.execPath,
        GUEST,
        JSON.stringify({
          scenario: typeof scenario === 'function' ? scenario({ phase, nonce, commands, ...rest }) : scenario,
          spec: { phase, nonce, commands, outputDirectory },
        }),
      ],
    }),
  });
  const bare = (spec: GuestSpec) => ({ ...spec, kernel: '/dev/null', initramfs: '/dev/null' });
  return { ...vm, start: (folder, spec, deadline) => vm.start(folder, bare(spec), deadline) };
}
