import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../host/atomic-file.ts';
import type { ScratchFolder } from '../host/scratch.ts';
import type { Disks } from '../images/disk-places.ts';
import { type Filesystem, guestFilesystem } from '../images/filesystem.ts';
import type { BuildPlan } from '../recipes/recipe.ts';
import type { BuildRequest } from '../schema/request.ts';
import type { GuestSpec } from '../vm/vm.ts';

const MIB = 1024 ** 2;

type Phase = GuestSpec['phase'];

/** What every attempt must know of a boot that an earlier one may have begun. */
export interface Boot {
  nonce: string;
  /** Offset in the live log of the run at which the log of this boot begins. */
  logBase: number;
}

/** The boot of a phase: as an earlier attempt wrote it down, else a new one, written down before anything starts. */
export async function bootOf(
  scratch: ScratchFolder,
  phase: Phase,
  logSize: () => Promise<number>,
): Promise<Boot> {
  const file = join(scratch.folder, `boot-${phase}.json`);
  const known = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (known !== undefined) return JSON.parse(known);
  const boot: Boot = { nonce: randomBytes(16).toString('hex'), logBase: await logSize() };
  await writeFileAtomic(file, JSON.stringify(boot));
  return boot;
}

/** What the VM of a phase is told. */
export function specOf(
  scratch: ScratchFolder,
  on: Disks & { filesystem: Filesystem },
  { architecture, resources, limits }: BuildRequest,
  plan: BuildPlan,
  phase: Phase,
  { nonce }: Boot,
): GuestSpec {
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
    initramfs: scratch.initramfs(phase),
    commands: plan[phase],
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
