import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootTime } from '../host/boot-time.ts';
import { FAILURES, SlipwayFailure } from '../schema/failures.ts';
import type { Architecture, VmType } from '../schema/request.ts';
import { ControlReader } from './control-records.ts';
import { FILES } from './folder.ts';
import { killVm } from './supervised-vm.ts';
import type { GuestFilesystem, GuestSpec, Vm } from './vm.ts';

/** What a host found out about one of its VM types. */
export interface VmProbe {
  type: VmType;
  /** Of the guest. */
  architecture: Architecture;
  works: boolean;
  /** From its start to the first word of the guest; only where it works. */
  seconds?: number;
  /** For a person: how fast it booted, or why not and what to do. */
  reason: string;
  /** What to do, once more by itself; only where it does not work. */
  advice?: string;
}

export interface ProbeOptions {
  /** Tried one after the other; each has `seconds` to bring a guest to userland. */
  candidates: readonly { vm: Vm; seconds: number }[];
  /** Of the guests. */
  architecture: Architecture;
  /** Kernel image. */
  kernel: string;
  /** Writes the initramfs of that boot to `spec.initramfs`. */
  writeInitramfs(spec: GuestSpec): Promise<void>;
  /** Existing folder; empty again afterwards. */
  scratch: string;
  /** Default: an empty one, since a guest with a kernel of its own speaks before it looks at it. */
  disk?: { filesystem: GuestFilesystem; make(path: string): Promise<void> };
}

/**
 * Which VM types really work here. A device that opens proves nothing, so each boots a guest up to its first word
 * within a time limit; nothing of it is left afterwards.
 */
export async function probeVmTypes(options: ProbeOptions): Promise<VmProbe[]> {
  const probes: VmProbe[] = [];
  for (const { vm, seconds } of options.candidates) probes.push(await probe(vm, seconds, options));
  return probes;
}

/** Ends what a process that was killed while it probed has left running in its `scratch`; the folder stays. */
export async function killProbes(scratch: string): Promise<void> {
  for (const name of await readdir(scratch)) {
    if (name.startsWith(PREFIX)) await killVm(vmFolder(join(scratch, name)));
  }
}

const PREFIX = 'probe-';

function vmFolder(base: string): string {
  return join(base, 'vm');
}

async function probe(vm: Vm, seconds: number, options: ProbeOptions): Promise<VmProbe> {
  const tried = { type: vm.type, architecture: options.architecture };
  const base = await mkdtemp(join(options.scratch, PREFIX));
  const folder = vmFolder(base);
  try {
    await mkdir(folder);
    const spec = await specIn(base, options, seconds);
    await options.writeInitramfs(spec);
    const started = performance.now();
    await vm.start(folder, spec, bootTime() + seconds + 60);
    const failure = await firstWord(vm, folder, spec.nonce);
    const took = Math.round((performance.now() - started) / 100) / 10;
    if (failure !== undefined) return { ...tried, works: false, ...explain(vm.type, failure, seconds) };
    return { ...tried, works: true, seconds: took, reason: `a guest booted in ${took} s` };
  } catch (error) {
    if (!(error instanceof SlipwayFailure)) throw error;
    return { ...tried, works: false, ...reasonOf(error) };
  } finally {
    await vm.kill(folder);
    await rm(base, { recursive: true });
  }
}

async function specIn(
  base: string,
  { kernel, architecture, disk: given }: ProbeOptions,
  seconds: number,
): Promise<GuestSpec> {
  const disk = join(base, 'disk');
  const swap = join(base, 'swap');
  for (const file of [disk, swap]) {
    await writeFile(file, '', { mode: 0o600 });
    await truncate(file, 1024 ** 2);
  }
  await given?.make(disk);
  const limits = {
    bootSeconds: seconds,
    heartbeatSeconds: seconds,
    logSilenceSeconds: seconds,
    totalSeconds: 2 * seconds,
    logBytes: 1024 ** 2,
  };
  return {
    ...{ phase: 'build', nonce: randomBytes(16).toString('hex'), architecture, cpus: 1, memoryMiB: 256 },
    filesystem: given?.filesystem ?? { name: 'ext4', mountOptions: [], content: 'device' },
    ...{ disk, swap, kernel, initramfs: join(base, 'initramfs'), commands: [], limits },
  };
}

/** Waits for the guest's first word. Returns why none came. */
async function firstWord(vm: Vm, folder: string, nonce: string): Promise<SlipwayFailure | undefined> {
  for (;;) {
    const { state, end } = await vm.status(folder);
    const records = new ControlReader(join(folder, FILES.control)).read();
    if (records.some((record) => record.word === 'hello' && record.nonce === nonce)) return undefined;
    if (state !== 'running') {
      return end?.kind === 'broken'
        ? new SlipwayFailure(end.failure, end.message)
        : new SlipwayFailure('NoStatus', 'the guest ended without a word');
    }
    await sleep(50);
  }
}

function explain(type: VmType, failure: SlipwayFailure, seconds: number): Pick<VmProbe, 'reason' | 'advice'> {
  // What the host itself lacks says so already.
  if (type !== 'kvm' || FAILURES[failure.type].family !== 'guest') return reasonOf(failure);
  const advice = 'Switch nested virtualization on there, or use the VM type qemu (emulation).';
  const what =
    failure.type === 'BootTimedOut'
      ? `a guest does not come up within ${seconds} s`
      : firstLine(failure.message);
  const reason =
    `/dev/kvm opens, but ${what}. This host is most likely a virtual machine ` +
    `itself, whose host does not pass hardware virtualization on, or not all of it. ${advice}`;
  return { reason, advice };
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.replace(/[.)]*$/, '') ?? '';
}

/** What a failure says, and what to do. */
export function reasonOf(failure: SlipwayFailure): Pick<VmProbe, 'reason' | 'advice'> {
  const { message, advice } = failure.details();
  return { reason: `${message}. ${advice}`, advice };
}
