import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { extractArtifacts } from '../../extraction/extract.ts';
import { bootTime } from '../../host/boot-time.ts';
import { run } from '../../host/run.ts';
import { createScratch } from '../../host/scratch.ts';
import { blockDevice } from '../../images/block-device.ts';
import { usersOf } from '../../images/device-users.ts';
import { createDiskDevices } from '../../images/disk-devices.ts';
import type { GuestSpec } from '../../vm/vm.ts';
import { loopPair } from '../support/loop-devices.ts';
import { scratch } from '../support/scratch.ts';
import { createTestVm, type TestVm } from '../support/test-vm.ts';
import { tinyGuest } from '../support/tiny-guest.ts';

const MOUNT = (device: string, on: string) => run(['mount', device, on], { accept: [32] });
const CONTEXT = { signal: AbortSignal.timeout(120_000), report: () => undefined };
const SECRET = 'a word of the build before';

const QEMU: TestVm = { qemu: { type: 'qemu', uid: 61_236, gid: 61_236 } };

it.each([
  ['QEMU', QEMU],
  ['a container', { container: true }],
] as [string, TestVm][])(
  'a guest of %s has block devices, its results come out, and the next one reads nothing of it',
  async (_name, vm) => {
    await using base = await scratch();
    await using pair = await loopPair(base.path, 'pair', { diskMiB: 48, swapMiB: 24 });
    const root = join(base.path, 'scratch');
    await mkdir(root);
    const options = { pairs: [{ disk: pair.disk, swap: pair.swap }], clean: true, host: 'h' };
    const places = createDiskDevices({ ...options, lock: join(base.path, 'lock') });

    async function build(name: string, script: string) {
      const lease = await createScratch(root, name);
      await places.give(lease, { diskMiB: 32, swapMiB: 16 }, CONTEXT.signal);
      await places.renewDisk(lease, 32, CONTEXT.signal);
      const disks = await places.find(lease);
      const folder = join(base.path, name);
      await mkdir(folder);
      const spec = await tinyGuest(folder, { script, disks });
      const into = await runToEnd(vm, folder, spec);
      const device = await blockDevice(disks.disk);
      expect(await usersOf(device)).toEqual([]);
      await places.takeBack(lease);
      return into;
    }

    const first = await build(
      'first',
      `seq 100000 >numbers; echo '${SECRET}' >secret; sync; cp secret again`,
    );
    const numbers = `${Array.from({ length: 100_000 }, (_, at) => at + 1).join('\n')}\n`;
    expect(sha256(await readFile(join(first, 'numbers')))).toBe(sha256(Buffer.from(numbers)));
    expect(await readFile(join(first, 'again'), 'utf8')).toBe(`${SECRET}\n`);
    expect((await readFile(pair.disk)).includes(SECRET)).toBe(true);

    const looks = await build('second', 'cat /proc/partitions >partitions; echo done >done');
    expect(await readFile(join(looks, 'done'), 'utf8')).toBe('done\n');
    if (vm === QEMU)
      expect(await readFile(join(looks, 'partitions'), 'utf8')).toMatch(/ 49152 vda\n.* 24576 vdb\n/s);
    for (const device of [pair.disk, pair.swap]) {
      expect((await readFile(device)).includes(SECRET)).toBe(false);
    }
  },
);

/** Boots the guest and takes its results out. */
async function runToEnd(of: TestVm, base: string, spec: GuestSpec): Promise<string> {
  const vm = createTestVm(of);
  const folder = join(base, 'vm');
  await mkdir(folder, { mode: 0o700 });
  try {
    await vm.start(folder, spec, bootTime() + 600);
    while (!(await readFile(join(folder, 'control'), 'utf8')).includes('begin')) await sleep(50);
    // A container has mounted it itself.
    if (of === QEMU)
      expect((await MOUNT(spec.disk, folder)).stderr).toMatch(/already mounted or mount point busy/);
    let status = await vm.status(folder);
    for (; status.state === 'running'; status = await vm.status(folder)) await sleep(100);
    await writeFile(join(base, 'end'), JSON.stringify(status));
    expect(status.end).toEqual({ kind: 'succeeded' });
  } finally {
    await vm.kill(folder);
  }
  const into = join(base, 'out');
  await mkdir(into);
  const { disk, swap, phase, nonce } = spec;
  const limits = { bytes: 1e8, files: 100 };
  await extractArtifacts({ disk, swap, phase, nonce, limits, into, ...CONTEXT });
  return into;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
