import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toolkitInitramfs } from '../guest/toolkit.ts';
import { type Filesystem, guestFilesystem } from '../images/filesystem.ts';
import { createSparseFile } from '../images/sparse-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Architecture } from '../schema/request.ts';
import { CONTROLLERS, type Controller, hierarchies } from '../vm/container/control-groups.ts';
import { probeVmTypes, reasonOf, type VmProbe } from '../vm/probe.ts';
import type { Vm } from '../vm/vm.ts';
import { writeInitramfs } from './guests.ts';

/** Room for the smallest filesystem of each kind (xfs: 300 MiB); sparse. */
const DISK_MIB = 400;

const BOUNDS: Readonly<Record<Controller, string>> = {
  memory: 'memory',
  pids: 'number of processes',
  cpu: 'share of the CPUs',
};

/** Whether a container comes up on a disk with this filesystem: the host's own kernel must be able to shift its ids. */
export async function probeContainer(of: {
  vm: Vm;
  filesystem: Filesystem;
  architecture: Architecture;
  seconds: number;
  /** Existing folder; empty again afterwards. */
  scratch: string;
  signal: AbortSignal;
}): Promise<VmProbe> {
  const { vm, filesystem, architecture, seconds, signal } = of;
  const scratch = await mkdtemp(join(of.scratch, 'container-'));
  try {
    const toolkit = join(scratch, 'toolkit');
    await toolkitInitramfs({ filesystemModules: [], into: toolkit });
    const [probe] = await probeVmTypes({
      ...{ candidates: [{ vm, seconds }], architecture, kernel: '/dev/null', scratch },
      writeInitramfs: (spec) => writeInitramfs(toolkit, spec),
      disk: {
        filesystem: guestFilesystem(filesystem),
        make: async (path) => {
          await createSparseFile(path, DISK_MIB);
          await filesystem.make(path, { signal, report: () => undefined });
        },
      },
    });
    const found = probe as VmProbe;
    return found.works ? { ...found, reason: `${found.reason}${unbounded()}` } : found;
  } catch (error) {
    if (!(error instanceof SlipwayFailure)) throw error;
    return { type: 'container', architecture, works: false, ...reasonOf(error) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What a container can take of the host without end, for a person; empty where there is nothing. */
function unbounded(): string {
  const has = hierarchies();
  const lacks = CONTROLLERS.filter((controller) => has[controller] === undefined);
  if (lacks.length === 0) return '';
  const what = lacks.map((controller) => BOUNDS[controller]).join(', ');
  return `; nothing bounds its ${what}: this host has no control groups for it`;
}
