import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bootTime } from '../../../host/boot-time.ts';
import { hugePagePool } from '../../../vm/qemu/huge-pages.ts';
import { createQemuVm } from '../../../vm/qemu/qemu-vm.ts';
import { scratch } from '../../support/scratch.ts';
import { tinyGuest } from '../../support/tiny-guest.ts';
import { monitorOf } from '../../support/vm-processes.ts';

const RESERVED = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';
/** More than the 128 of a tiny guest. */
const PAGES = 160;

let before = '0';
beforeAll(async () => {
  before = await readFile(RESERVED, 'utf8');
  await writeFile(RESERVED, `${Number(before) + PAGES}`);
});
afterAll(async () => {
  await writeFile(RESERVED, before);
  expect(await readFile(RESERVED, 'utf8')).toBe(before);
});

it('the memory of a guest consists of huge pages, which are free again after it', async () => {
  const pool = hugePagePool(true);
  // A host whose memory is in pieces may give fewer than it is asked for.
  expect(pool.free).toBeGreaterThanOrEqual(PAGES);
  const vm = createQemuVm({ type: 'qemu', uid: 61_237, gid: 61_237, hugePages: true });
  await using base = await scratch();
  const folder = join(base.path, 'vm');
  await mkdir(folder, { mode: 0o700 });
  try {
    const script = 'head -c 30000000 /dev/zero | tail -c 1; echo ready; sleep 3; echo building';
    await vm.start(folder, await tinyGuest(base.path, { script }), bootTime() + 600);
    while (!(await readFile(join(folder, 'log'), 'utf8')).includes('ready')) await sleep(50);
    const held = await readFile(`/proc/${await monitorOf(folder)}/smaps`, 'utf8');
    const mapping =
      /^[0-9a-f-]+ rw-s .*memfd:memory-backend-memfd.*\n(?:.*\n)*?KernelPageSize: +(\d+) kB$/m.exec(held);
    expect(mapping?.[1]).toBe('2048');
    expect(hugePagePool(true).free).toBe(pool.free - 128);
    let status = await vm.status(folder);
    for (; status.state === 'running'; status = await vm.status(folder)) await sleep(100);
    expect(status.end).toEqual({ kind: 'succeeded' });
  } finally {
    await vm.kill(folder);
  }
  expect(hugePagePool(true).free).toBe(pool.free);
});
