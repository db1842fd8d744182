import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { bootTime } from '../../../host/boot-time.ts';
import { createQemuVm } from '../../../vm/qemu/qemu-vm.ts';
import { scratch } from '../../support/scratch.ts';
import { tinyGuest } from '../../support/tiny-guest.ts';
import { monitorOf } from '../../support/vm-processes.ts';

const BUSY = 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done';

it('two processes of a guest with two CPUs run at once, each on a thread of its own', async () => {
  await using base = await scratch();
  const folder = join(base.path, 'vm');
  await mkdir(folder, { mode: 0o700 });
  const script = `nproc; echo ready; (${BUSY}) & (${BUSY}) & wait`;
  const vm = createQemuVm({ type: 'qemu', uid: 61_238, gid: 61_238 });
  try {
    await vm.start(folder, { ...(await tinyGuest(base.path, { script })), cpus: 2 }, bootTime() + 600);
    const log = () => readFile(join(folder, 'log'), 'utf8');
    while (!(await log()).includes('ready')) await sleep(20);
    const monitor = await monitorOf(folder);
    const before = await ticksOf(monitor);
    let after = before;
    for (let status = await vm.status(folder); status.state === 'running'; ) {
      after = await ticksOf(monitor).catch(() => after);
      await sleep(50);
      status = await vm.status(folder);
    }
    expect((await vm.status(folder)).end).toEqual({ kind: 'succeeded' });
    expect(await log()).toBe('2\nready\n');
    const worked = [...after].map(([thread, ticks]) => ticks - (before.get(thread) ?? 0));
    const [most = 0, next = 0] = worked.sort((a, b) => b - a);
    // One that emulates all processors in turn does all of the work.
    expect(next).toBeGreaterThan(most / 2);
  } finally {
    await vm.kill(folder);
  }
});

/** CPU time of each thread of a process, in ticks. */
async function ticksOf(pid: number): Promise<Map<string, number>> {
  const threads = await readdir(`/proc/${pid}/task`);
  const ticks = await Promise.all(
    threads.map(async (thread): Promise<[string, number]> => {
      const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'latin1');
      const fields = stat.replace(/^.*\) /, '').split(' ');
      return [thread, Number(fields[11]) + Number(fields[12])];
    }),
  );
  return new Map(ticks);
}
