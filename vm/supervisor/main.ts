import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zeroHeader } from '../../extraction/letter-box-header.ts';
import { removeGroups } from '../container/control-groups.ts';
import { FILES, has, type MonitorCommand, readStart, type StartRecord } from '../folder.ts';
import type { VmEnd } from '../vm.ts';
import { appendDeadline } from './deadline.ts';
import { Monitor } from './monitor.ts';
import { openFiles } from './open-files.ts';
import { reserve, Supervision } from './supervision.ts';
import type { Cause } from './watchdogs.ts';

/**
 * The supervisor of one VM: `node main.ts <folder>`, first process of a pid namespace, in namespaces of its own, with
 * the folder's lock held by its parent and itself. It needs nobody: the worker that started it may die.
 * It uses little of the project, because one of it runs beside every guest.
 */
async function main(folder: string): Promise<void> {
  // Who asks for the end writes `killed` first and looks for us then: one of the two sees the other.
  if (has(folder, 'killed') || has(folder, 'started')) return;
  const start = readStart(folder);
  if (start === undefined) throw new Error(`${folder} has no ${FILES.start}`);
  appendDeadline(folder, start.deadline);
  for (const file of ['log', 'control', 'console'] as const) {
    writeFileSync(join(folder, FILES[file]), '', { mode: 0o600 });
  }
  const supervision = new Supervision(folder, start);
  writeFileSync(join(folder, FILES.started), '', { mode: 0o600 });
  const end = await runToTheEnd(folder, start, supervision);
  rmSync(join(folder, FILES.reserve), { force: true });
  supervision.record(end);
}

async function runToTheEnd(folder: string, start: StartRecord, supervision: Supervision): Promise<VmEnd> {
  try {
    reserve(folder);
    await zeroHeader(start.spec.swap);
    if (start.monitor.device !== undefined) await giveDevice(folder, start.monitor.device);
    let changed: () => void = () => {};
    const monitor = new Monitor(start.monitor, openFiles(folder, start.spec, start.monitor.exclusive), () =>
      changed(),
    );
    const cause = await watch(supervision, monitor, () => new Promise((resolve) => (changed = resolve)));
    await removeAll(start.monitor.holds?.groups ?? []);
    return await supervision.judge(cause);
  } catch (error) {
    const noSpace = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'broken', failure: noSpace ? 'ScratchFull' : 'HostUnfit', message };
  }
}

/** Whatever happens, nothing of the monitor is left after this. */
async function watch(supervision: Supervision, monitor: Monitor, wake: () => Promise<void>): Promise<Cause> {
  try {
    return await supervision.watch(monitor, wake);
  } finally {
    monitor.kill();
    await monitor.gone;
  }
}

/** Dead processes leave a control group a moment after they are gone; whoever kills the VM removes what stays. */
async function removeAll(groups: readonly string[]): Promise<void> {
  for (let tries = 0; tries < 50 && removeGroups(groups).length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A device node that belongs to the monitor's user, seen by this VM only: the host's own node keeps its rights. */
async function giveDevice(folder: string, device: NonNullable<MonitorCommand['device']>): Promise<void> {
  if (!existsSync(device.path)) throw new Error(`${device.path} does not exist`);
  // Loaded here and not above: it costs 0.2 s, and most VMs need no device.
  const { run } = await import('../../host/run.ts');
  const { rdev } = statSync(device.path);
  const aside = join(folder, 'dev');
  const node = join(aside, 'node');
  mkdirSync(aside);
  await run(['mount', '-t', 'tmpfs', '-o', 'size=64k,mode=0755', 'slipway', aside]);
  await run(['mknod', '-m', '0600', node, 'c', String(rdev >> 8), String(rdev & 0xff)]);
  await run(['chown', String(device.uid), node]);
  await run(['mount', '--bind', node, device.path]);
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: main.ts <folder of a VM>');
await main(folder).catch((error: Error) => {
  // The end of this output is what `start` shows.
  console.error(error.message);
  process.exitCode = 1;
});
