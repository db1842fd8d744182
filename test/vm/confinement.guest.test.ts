import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bootTime } from '../../host/boot-time.ts';
import { FILES } from '../../vm/folder.ts';
import { holdersOf } from '../../vm/lock.ts';
import { createQemuVm } from '../../vm/qemu/qemu-vm.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { scratch } from '../support/scratch.ts';
import { tinyGuest } from '../support/tiny-guest.ts';
import { monitorOf, processesOf } from '../support/vm-processes.ts';
import type { Run } from '../support/vm-runner.ts';

const IDENTITY = { uid: 61_234, gid: 61_235 };
const RUNNER = fileURLToPath(new URL('../support/vm-runner.ts', import.meta.url));

describe('QEMU on the host', () => {
  const vm = createQemuVm({ type: 'qemu', ...IDENTITY });

  /** A guest that runs until it is killed. */
  async function running(base: string): Promise<{ folder: string; qemu: number } & AsyncDisposable> {
    const folder = join(base, 'vm');
    await mkdir(folder, { mode: 0o700 });
    const script = 'while :; do echo still here; sleep 1; done';
    await vm.start(folder, await tinyGuest(base, { script }), bootTime() + 600);
    while ((await stat(join(folder, 'log'))).size === 0) await sleep(100);
    return { folder, qemu: await monitorOf(folder), [Symbol.asyncDispose]: () => vm.kill(folder) };
  }

  it('has no rights, no network, no other processes, and only the files of its guest', async () => {
    await using base = await scratch();
    await using guest = await running(base.path);
    for (const thread of await readdir(`/proc/${guest.qemu}/task`)) {
      const status = await readFile(`/proc/${guest.qemu}/task/${thread}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\t61234\t61234\t61234\t61234$/m);
      expect(status).toMatch(/^Gid:\t61235\t61235\t61235\t61235$/m);
      expect(status).toMatch(/^Groups:\t *$/m);
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) {
        expect(status).toMatch(new RegExp(`^Cap${set}:\\t0{16}$`, 'm'));
      }
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      expect(status).toMatch(/^Seccomp:\t2$/m);
    }
    for (const namespace of [
      'mnt',
      'pid',
      'net',
      'ipc',
      'uts',
      ...(existsSync('/proc/self/ns/cgroup') ? ['cgroup'] : []),
    ]) {
      expect(await readlink(`/proc/${guest.qemu}/ns/${namespace}`)).not.toBe(
        await readlink(`/proc/self/ns/${namespace}`),
      );
    }
    const interfaces = (await readFile(`/proc/${guest.qemu}/net/dev`, 'utf8')).match(/^ *\S+(?=:)/gm);
    expect(interfaces?.map((name) => name.trim())).toEqual(['lo']);
    // In its own /proc: the supervisor and itself.
    const seen = (await readdir(join('/proc', `${guest.qemu}`, 'root', 'proc'))).filter((name) =>
      /^\d+$/.test(name),
    );
    expect(seen).toContain('1');
    expect(await writableFiles(guest.qemu)).toEqual(
      [
        join(base.path, 'disk'),
        join(base.path, 'swap'),
        ...['console', 'control', 'log'].map((name) => join(guest.folder, name)),
      ].sort(),
    );
    expect((await stat(join(base.path, 'disk'))).mode & 0o777).toBe(0o600);
  });

  it.each(['the supervisor', 'what holds the lock'] as const)('is gone when %s is killed', async (which) => {
    await using base = await scratch();
    await using guest = await running(base.path);
    const holder = holdersOf(join(guest.folder, FILES.lock)).find(
      ({ inside }) => inside === (which === 'the supervisor'),
    );
    process.kill(holder?.pid ?? Number.NaN, 'SIGKILL');
    for (let tries = 0; tries < 100 && (await processesOf(guest.folder)).length > 0; tries++) await sleep(20);
    expect(await processesOf(guest.folder)).toEqual([]);
    expect((await vm.status(guest.folder)).end).toMatchObject({ kind: 'broken', failure: 'VmLost' });
  });

  it('stops a guest for which the host has no room, and says so although there is no room', async () => {
    await using base = await scratch();
    const run: Run = {
      vm: { qemu: { type: 'qemu', ...IDENTITY } },
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

/** Regular files that a process could write to through what it has open. */
async function writableFiles(pid: number): Promise<string[]> {
  const found = new Set<string>();
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const flags = /^flags:\t0*(\d+)$/m.exec(await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
    const target = await readlink(`/proc/${pid}/fd/${fd}`);
    const isWritable = (Number.parseInt(flags, 8) & 3) !== 0;
    if (isWritable && target.startsWith('/') && !target.startsWith('/dev/')) found.add(target);
  }
  return [...found].sort();
}
