import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { unpackKernel } from '../guest/kernel.ts';
import { toolkitInitramfs } from '../guest/toolkit.ts';
import { CorruptFile, readJson, writeFileAtomic } from '../host/atomic-file.ts';
import { bootId } from '../host/boot-time.ts';
import { withFileLock } from '../host/file-lock.ts';
import { ext4 } from '../images/ext4.ts';
import { workerKernel } from '../repositories/resolve.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { type Architecture, VmType } from '../schema/request.ts';
import { killProbes, probeVmTypes, type VmProbe } from '../vm/probe.ts';
import type { Vm } from '../vm/vm.ts';
import type { Composition } from './compose.ts';
import type { Configuration } from './configuration.ts';
import { writeInitramfs } from './guests.ts';
import { createVm } from './vms.ts';

/** What was found out, kept for as long as the host runs: a probe of a KVM that hangs takes its whole time limit. */
const ProbeRecord = z.strictObject({
  version: z.literal(1),
  bootId: z.string(),
  /** What the probes depended on. */
  configuration: z.string(),
  probes: z.array(
    z.strictObject({
      type: VmType,
      works: z.boolean(),
      seconds: z.number().optional(),
      reason: z.string(),
      advice: z.string().optional(),
    }),
  ),
});

/** Seconds that another process may take to probe this host: it may have to fetch a kernel first. */
const PATIENCE = 900;

/**
 * What each configured VM type turned out to be, by booting a tiny guest with the kernel that the worker's repositories
 * have now; once for each boot of the host and configuration, unless `anew`. One process of the host
 * at a time; what one that was killed meanwhile has left is ended and deleted.
 * @throws SlipwayFailure DownloadFailed and the like where there is no kernel to boot
 */
export async function probeHost(
  configuration: Configuration,
  composition: Composition,
  options: { signal: AbortSignal; architecture: Architecture; anew?: boolean },
): Promise<VmProbe[]> {
  const { host, directories } = configuration;
  const once = async () => {
    await sweepProbes(directories.scratch, host);
    return probeOnce(configuration, composition, options);
  };
  return withFileLock(join(directories.state, 'probes.lock'), PATIENCE, once, options.signal);
}

/** Deletes what dead probes of a host left on the scratch disk, their VMs first. None may be under way. */
export async function sweepProbes(scratch: string, host: string): Promise<void> {
  const prefix = prefixOf(host);
  for (const name of await readdir(scratch)) {
    if (!name.startsWith(prefix) || !/^[A-Za-z0-9]{6}$/.test(name.slice(prefix.length))) continue;
    await killProbes(join(scratch, name));
    await rm(join(scratch, name), { recursive: true });
  }
}

/** Scratch may be shared with hosts that are probed at the same time. */
function prefixOf(host: string): string {
  return `.probe-${host}-`;
}

async function probeOnce(
  configuration: Configuration,
  composition: Composition,
  options: Parameters<typeof probeHost>[2],
): Promise<VmProbe[]> {
  const { vm, kernelPackage, directories } = configuration;
  const file = join(directories.state, 'probes.json');
  const key = JSON.stringify({ vm, kernelPackage });
  const kept = options.anew ? undefined : await readJson(file, ProbeRecord).catch(unlessCorrupt);
  if (kept?.bootId === bootId() && kept.configuration === key) return kept.probes as VmProbe[];
  const probes = await probe(configuration, composition, options);
  const record = { version: 1, bootId: bootId(), configuration: key, probes };
  await writeFileAtomic(file, JSON.stringify(record, null, 2));
  return probes;
}

async function probe(
  { vm, host, directories }: Configuration,
  { resolving, inputs }: Composition,
  { signal, architecture }: { signal: AbortSignal; architecture: Architecture },
): Promise<VmProbe[]> {
  const locked = await workerKernel(resolving, architecture, signal);
  await inputs.fetch([locked], { signal, report: () => undefined });
  const kernel = await unpackKernel({ deb: inputs.path(locked.sha256), cache: directories.cache, signal });
  const scratch = await mkdtemp(join(directories.scratch, prefixOf(host)));
  try {
    const toolkit = join(scratch, 'toolkit');
    await toolkitInitramfs({ kernel, filesystemModules: ext4.modules, into: toolkit });
    return await probeVmTypes({
      candidates: vm.types.map((type) => ({ vm: createVm(type, vm), seconds: vm.probeSeconds })),
      architecture,
      kernel: kernel.image,
      writeInitramfs: (spec) => writeInitramfs(toolkit, spec),
      scratch,
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * The VM types that were proven, best first.
 * @throws SlipwayFailure HostUnfit where there is none, with the reason of each
 */
export function provenVms({ vm, host }: Configuration, probes: readonly VmProbe[]): Vm[] {
  const works = probes.filter((each) => each.works);
  if (works.length > 0) return works.map(({ type }) => createVm(type, vm));
  throw new SlipwayFailure('HostUnfit', `no VM type works on host ${host}`, {
    items: probes.map(({ type, reason }) => `${type}: ${reason}`),
  });
}

function unlessCorrupt(error: unknown): undefined {
  if (!(error instanceof CorruptFile)) throw error;
}
