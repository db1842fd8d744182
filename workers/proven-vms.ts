import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CorruptFile, readJson, writeFileAtomic } from '../host/atomic-file.ts';
import { bootId } from '../host/boot-time.ts';
import { withFileLock } from '../host/file-lock.ts';
import { ext4 } from '../images/ext4.ts';
import { filesystems } from '../images/filesystems.ts';
import { workerGuest } from '../repositories/resolve.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { Architecture, VmType } from '../schema/request.ts';
import { kernelArchitecture, nativeArchitectures, offeredArchitectures } from '../vm/architectures.ts';
import { killProbes, probeVmTypes, reasonOf, type VmProbe } from '../vm/probe.ts';
import type { Vm } from '../vm/vm.ts';
import type { Composition } from './compose.ts';
import type { VmConfiguration } from './configuration/vm.ts';
import type { Configuration } from './configuration.ts';
import { probeContainer } from './container-probe.ts';
import { makeToolkit } from './guest-kernel.ts';
import { writeInitramfs } from './guests.ts';
import { createVm, standingOf } from './vms.ts';

/** What was found out, kept for as long as the host runs: a probe of a KVM that hangs takes its whole time limit. */
const ProbeRecord = z.strictObject({
  version: z.literal(2),
  bootId: z.string(),
  /** What the probes depended on. */
  configuration: z.string(),
  probes: z.array(
    z.strictObject({
      type: VmType,
      architecture: Architecture,
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
 * What each configured VM type turned out to be, by booting a tiny guest of each architecture with the kernel that the
 * worker's repositories have now; once for each boot of the host and configuration, unless `anew`. One process of the host
 * at a time; what one that was killed meanwhile has left is ended and deleted.
 * @throws SlipwayFailure DownloadFailed and the like where there is no kernel to boot
 */
export async function probeHost(
  configuration: Configuration,
  composition: Composition,
  options: { signal: AbortSignal; anew?: boolean },
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
  const { vm, kernelPackage, kernel, directories } = configuration;
  const file = join(directories.state, 'probes.json');
  const key = JSON.stringify({ vm, kernelPackage, kernel, standing: standingOf(vm) });
  const kept = options.anew ? undefined : await readJson(file, ProbeRecord).catch(unlessCorrupt);
  if (kept?.bootId === bootId() && kept.configuration === key) return kept.probes as VmProbe[];
  const probes = await probe(configuration, composition, options);
  const record = { version: 2, bootId: bootId(), configuration: key, probes };
  await writeFileAtomic(file, JSON.stringify(record, null, 2));
  return probes;
}

async function probe(
  configuration: Configuration,
  composition: Composition,
  { signal }: { signal: AbortSignal },
): Promise<VmProbe[]> {
  const { vm, host, directories } = configuration;
  const probes: VmProbe[] = [];
  const failed = (type: VmType, architecture: Architecture) =>
    probes.some((each) => {
      const same = kernelArchitecture(each.architecture) === kernelArchitecture(architecture);
      return same && each.type === type && !each.works;
    });
  for (const architecture of offeredArchitectures(vm)) {
    const able = vm.types
      .map((type) => createVm(type, vm))
      .filter((each) => each.architectures.includes(architecture));
    if (able.length === 0) probes.push(noneRuns(vm, architecture));
    // Where a 64-bit guest does not boot, a 32-bit one does not either.
    const candidates = able.filter(({ type }) => !failed(type, architecture));
    if (candidates.length === 0) continue;
    const scratch = await mkdtemp(join(directories.scratch, prefixOf(host)));
    try {
      const where = { architecture, scratch, signal };
      for (const container of candidates.filter(({ type }) => type === 'container')) {
        probes.push(await containerProbe(configuration, container, where));
      }
      const machines = candidates.filter(({ type }) => type !== 'container');
      if (machines.length > 0) {
        probes.push(...(await probeArchitecture(configuration, composition, machines, where)));
      }
    } catch (error) {
      // A host that has its own architecture builds; what it lacks for another is told.
      if (!(error instanceof SlipwayFailure) || nativeArchitectures().includes(architecture)) throw error;
      probes.push(
        ...candidates.map(({ type }) => ({ type, architecture, works: false, ...reasonOf(error) })),
      );
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
  return probes;
}

interface Where {
  architecture: Architecture;
  scratch: string;
  signal: AbortSignal;
}

/** On the filesystem that builds have here where they name none; it boots no kernel, so that none is fetched. */
function containerProbe({ vm, disks }: Configuration, container: Vm, where: Where): Promise<VmProbe> {
  const filesystem = filesystems[disks.filesystem];
  return probeContainer({ vm: container, filesystem, seconds: vm.probeSeconds, ...where });
}

async function probeArchitecture(
  { vm, kernel, kernelPackage, directories }: Configuration,
  { resolving, inputs }: Composition,
  candidates: readonly Vm[],
  { architecture, scratch, signal }: Where,
): Promise<VmProbe[]> {
  // There is no build root here: its kernel is taken to be like that of the repositories.
  const own = kernel.from === 'files';
  const locked = await workerGuest({ ...resolving, ...(own ? {} : { kernelPackage }) }, architecture, signal);
  const files = [...(locked.kernel ? [locked.kernel] : []), ...(locked.toolkit ?? [])];
  await inputs.fetch(files, { signal, report: () => undefined });
  const toolkit = join(scratch, 'toolkit');
  const { image } = await makeToolkit(
    {
      configuration: { ...kernel, from: own ? 'files' : 'package' },
      path: ({ sha256 }) => inputs.path(sha256),
      cache: directories.cache,
    },
    { ...locked, architecture, packages: [] },
    { filesystemModules: ext4.modules, into: toolkit, aside: join(scratch, 'kernel-tree') },
    signal,
  );
  return probeVmTypes({
    candidates: candidates.map((each) => ({ vm: each, seconds: vm.probeSeconds })),
    architecture,
    kernel: image,
    writeInitramfs: (spec) => writeInitramfs(toolkit, spec),
    scratch,
  });
}

function noneRuns({ types }: VmConfiguration, architecture: Architecture): VmProbe {
  const advice = 'Add qemu (emulation) to vm.types, or take the architecture out of vm.architectures.';
  const reason = `no VM type of this host runs guests of ${architecture}. ${advice}`;
  return { type: types[0] as VmType, architecture, works: false, reason, advice };
}

/**
 * The VM types that were proven, best first, each with the architectures for which it was.
 * @throws SlipwayFailure HostUnfit where there is none, with the reason of each
 */
export function provenVms({ vm, host }: Configuration, probes: readonly VmProbe[]): Vm[] {
  const proven = vm.types
    .map((type) => {
      const works = probes.filter((each) => each.type === type && each.works);
      return { type, architectures: works.map(({ architecture }) => architecture) };
    })
    .filter(({ architectures }) => architectures.length > 0);
  if (proven.length > 0)
    return proven.map(({ type, architectures }) => ({ ...createVm(type, vm), architectures }));
  throw new SlipwayFailure('HostUnfit', `no VM type works on host ${host}`, {
    items: probes.map(({ type, architecture, reason }) => `${type}, ${architecture}: ${reason}`),
  });
}

function unlessCorrupt(error: unknown): undefined {
  if (!(error instanceof CorruptFile)) throw error;
}
