import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../host/atomic-file.ts';
import type { BootName, ScratchFolder } from '../host/scratch.ts';
import type { Disks } from '../images/disk-places.ts';
import { type Filesystem, guestFilesystem } from '../images/filesystem.ts';
import type { BuildPlan } from '../recipes/recipe.ts';
import { type Lock, layersOf } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';
import type { GuestCommand, GuestSpec } from '../vm/vm.ts';
import type { RootLayer } from './contract.ts';
import type { WantedIncoming } from './dependencies.ts';

const MIB = 1024 ** 2;
/** Who `builder` is in a guest: PROTOCOL.md. */
const BUILDER_ID = 1000;

/** What every attempt must know of a boot that an earlier one may have begun. */
export interface Boot {
  nonce: string;
  /** Offset in the live log of the run at which the log of this boot begins. */
  logBase: number;
}

/** The boot of a phase: as an earlier attempt wrote it down, else a new one, written down before anything starts. */
export async function bootOf(
  scratch: ScratchFolder,
  name: BootName,
  logSize: () => Promise<number>,
): Promise<Boot> {
  const file = scratch.boot(name);
  const known = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (known !== undefined) return JSON.parse(known);
  const boot: Boot = { nonce: randomBytes(16).toString('hex'), logBase: await logSize() };
  await writeFileAtomic(file, JSON.stringify(boot));
  return boot;
}

/** What is booted for: a phase, and what of the build root it installs. */
export interface Booted {
  phase: GuestSpec['phase'];
  layer?: RootLayer | undefined;
}

/** The base is the only thing that is installed in a boot of its own beside another one. */
export function bootName({ phase, layer }: Booted): BootName {
  return phase === 'install' && layer === 'base' ? 'install-base' : phase;
}

function commandsOf(plan: BuildPlan, { phase, layer }: Booted): readonly GuestCommand[] {
  if (phase === 'build') return plan.build;
  return layer === 'rest' ? plan.install.onBase : plan.install.unpacked;
}

/** What the guest of a boot is handed in: the packages that the host did not unpack; the sources, before the build. */
export function incomingOf(
  plan: BuildPlan,
  lock: Lock,
  { phase, layer }: Booted,
): WantedIncoming | undefined {
  if (phase === 'build') return { folder: plan.sourcesDirectory, owner: BUILDER_ID, files: plan.sources };
  if (layer !== 'rest') return undefined;
  return { folder: plan.packagesDirectory, owner: 0, packages: layersOf(lock).rest };
}

/** What the VM of a boot is told. */
export function specOf(
  scratch: ScratchFolder,
  on: Disks & { filesystem: Filesystem },
  { architecture, resources, limits }: BuildRequest,
  plan: BuildPlan,
  { phase, layer }: Booted,
  { nonce }: Boot,
): GuestSpec {
  const name = bootName({ phase, layer });
  return {
    phase,
    nonce,
    architecture,
    cpus: resources.cpus,
    memoryMiB: resources.memoryMiB,
    disk: on.disk,
    swap: on.swap,
    filesystem: guestFilesystem(on.filesystem),
    kernel: scratch.kernel,
    initramfs: scratch.initramfs(name),
    commands: commandsOf(plan, { phase, layer }),
    ...(phase === 'build' ? { outputDirectory: plan.outputDirectory } : {}),
    limits: {
      bootSeconds: limits.bootSeconds,
      heartbeatSeconds: limits.heartbeatSeconds,
      logSilenceSeconds: limits.logSilenceSeconds,
      totalSeconds: limits.totalSeconds,
      logBytes: limits.logMiB * MIB,
    },
  };
}
