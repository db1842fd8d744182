import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { groupsOf, hierarchies, maxProcesses } from '../../../vm/container/control-groups.ts';
import { FILES } from '../../../vm/folder.ts';
import { loopDevicesOf } from '../../../vm/held.ts';
import { holdersOf } from '../../../vm/lock.ts';
import { type StartedContainer, startContainer } from '../../support/container-run.ts';
import { withMount } from '../../support/in-mount-namespace.ts';
import { scratch } from '../../support/scratch.ts';
import { processesOf } from '../../support/vm-processes.ts';
import type { Run } from '../../support/vm-runner.ts';

const RUNNER = fileURLToPath(new URL('../../support/vm-runner.ts', import.meta.url));
const TALK =
  'while :; do echo still here; dd if=/dev/urandom of=/out/x bs=64k count=64 2>/dev/null; sleep 1; done';

const has = hierarchies();

async function talking(): Promise<StartedContainer> {
  const container = await startContainer({ script: TALK });
  while ((await container.log()) === '') await sleep(20);
  return container;
}

/** Control groups and loop devices of a container that are there now. */
function held({ folder, spec }: StartedContainer): string[] {
  return [...groupsOf(folder).filter((group) => existsSync(group)), ...loopDevicesOf([spec.disk, spec.swap])];
}

describe('a container bounds', { timeout: 90_000 }, () => {
  it.skipIf(has.memory === undefined)('memory: what does not suffice is told by its name', async () => {
    await using container = await startContainer({
      script: 'x=$(yes | head -c 200000000); echo enough',
      spec: { memoryMiB: 128 },
    });
    const { end } = await container.ended();
    expect(end).toMatchObject({ kind: 'broken', failure: 'GuestOutOfMemory' });
    expect(held(container)).toEqual([]);
  });

  it('memory that does suffice, in tmpfs too, and tells how much it was', async () => {
    await using container = await startContainer({
      script: 'head -c 50000000 /dev/zero >/dev/shm/x; df -k /dev/shm | tail -1; sleep 3',
      spec: { memoryMiB: 128 },
    });
    const { end, statistics } = await container.ended();
    expect(end).toEqual({ kind: 'succeeded' });
    expect(await container.log()).toMatch(/ 65536 /);
    if (has.memory !== undefined) expect(statistics?.peakMemoryMiB).toBeGreaterThan(45);
  });

  it('processes and CPUs', async () => {
    await using container = await startContainer({ script: 'nproc; ulimit -u; exec sleep 1000' });
    while (!/\n.*\n/.test(await container.log())) await sleep(50);
    expect((await container.log()).split('\n')[0]).toBe('1');
    const read = async (controller: 'pids' | 'cpu', file: string) => {
      const hierarchy = has[controller];
      const [group] = hierarchy === undefined ? [] : groupsOf(container.folder, { [controller]: hierarchy });
      return group === undefined ? undefined : (await readFile(`${group}/${file}`, 'utf8')).trim();
    };
    if (has.pids !== undefined)
      expect(await read('pids', 'pids.max')).toBe(String(maxProcesses(container.spec.memoryMiB)));
    if (has.pids !== undefined) expect(await read('pids', 'cgroup.procs')).not.toBe('');
    if (has.cpu?.version === 1) expect(await read('cpu', 'cpu.cfs_quota_us')).toBe('100000');
    if (has.cpu?.version === 2) expect(await read('cpu', 'cpu.max')).toBe('100000 100000');
  });

  it.each(['the supervisor', 'what holds the lock'] as const)(
    'what it leaves when %s is killed: soon nothing, and no control group after kill()',
    async (which) => {
      await using container = await talking();
      const { folder, spec } = container;
      expect(loopDevicesOf([spec.disk, spec.swap]).length).toBe(2);
      const holder = holdersOf(`${folder}/${FILES.lock}`).find(
        ({ inside }) => inside === (which === 'the supervisor'),
      );
      process.kill(holder?.pid ?? Number.NaN, 'SIGKILL');
      const killed = performance.now();
      const left = async () => [...(await processesOf(folder)), ...loopDevicesOf([spec.disk, spec.swap])];
      while ((await left()).length > 0 && performance.now() - killed < 20_000) await sleep(20);
      expect(await left()).toEqual([]);
      expect(performance.now() - killed).toBeLessThan(5000);
      await container.kill();
      expect(held(container)).toEqual([]);
    },
  );

  it('what it leaves when it is killed, or ends: nothing', async () => {
    await using container = await talking();
    await container.kill();
    expect(held(container)).toEqual([]);
    await using short = await startContainer({ script: 'echo done' });
    await short.ended();
    await short.kill();
    expect(held(short)).toEqual([]);
  });

  it('what the host has no room for, and says so although there is no room', async () => {
    await using base = await scratch();
    const run: Run = {
      vm: { container: true },
      guest: { script: 'dd if=/dev/zero of=/out/zeros bs=64k count=400; sync; sleep 100' },
      folder: base.path,
    };
    const said = await withMount(
      ['tmpfs', 'size=28m,mode=0755', 'none', base.path],
      [process.execPath, RUNNER, JSON.stringify(run)],
    );
    expect(JSON.parse(said)).toMatchObject({
      state: 'ended',
      end: { failure: 'ScratchFull', message: expect.stringContaining("guest's disk") },
    });
  });
});
