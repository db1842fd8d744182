import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesystems } from '../../images/filesystems.ts';
import { nativeArchitectures } from '../../vm/architectures.ts';
import type { VmProbe } from '../../vm/probe.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { probeContainer } from '../../workers/container-probe.ts';
import { createVm } from '../../workers/vms.ts';
import { type Finding, ok, warning } from './check.ts';

const NAME = 'vm container disks';

/**
 * On which filesystems containers work: that is for the host's own kernel to say. Also where the operator does not offer
 * them, since `slipway dev` and `build --local` do.
 */
export async function checkContainer({ vm }: Configuration): Promise<Finding[]> {
  const offered = vm.types.includes('container')
    ? ''
    : '; only slipway dev and build --local offer it, unless vm.types has container (for packages that you trust)';
  const probes = await probeAll(vm);
  const good = Object.keys(probes).filter((name) => probes[name]?.works);
  const bad = Object.entries(probes).filter(([, { works }]) => !works);
  const [name, first] = bad[0] ?? [];
  if (first === undefined) return [ok(NAME, `${good.join(', ')}${offered}`)];
  const what =
    good.length === 0 ? `none: ${first.reason}` : `${good.join(', ')}; not ${name}: ${first.reason}`;
  const advice = first.advice ?? 'See the reason.';
  const others = bad.slice(1).map(([other, { reason }]) => warning(NAME, `not ${other}: ${reason}`));
  return [warning(NAME, `${what}${offered}`, advice), ...(good.length === 0 ? [] : others)];
}

async function probeAll(vm: Configuration['vm']): Promise<Record<string, VmProbe>> {
  const [architecture = 'amd64'] = nativeArchitectures();
  const scratch = await mkdtemp(join(tmpdir(), 'slipway-doctor-'));
  const signal = AbortSignal.timeout(600_000);
  const probes: Record<string, VmProbe> = {};
  try {
    for (const filesystem of Object.values(filesystems)) {
      const container = createVm('container', vm);
      probes[filesystem.name] = await probeContainer({
        ...{ vm: container, filesystem, architecture, seconds: vm.probeSeconds, scratch, signal },
      });
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return probes;
}
