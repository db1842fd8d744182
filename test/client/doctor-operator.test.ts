import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDevices, checkHugePages } from '../../client/doctor/operator.ts';
import { run } from '../../host/run.ts';
import { createScratch } from '../../host/scratch.ts';
import { createDiskDevices } from '../../images/disk-devices.ts';
import { hugePagePool } from '../../vm/qemu/huge-pages.ts';
import { loadConfiguration } from '../../workers/configuration.ts';
import { loopPair } from '../support/loop-devices.ts';
import { scratch } from '../support/scratch.ts';

async function configuration(home: string, text: string) {
  await writeFile(join(home, 'slipway.yaml'), text);
  return loadConfiguration(undefined, { SLIPWAY_HOME: home });
}

const devices = (disk: string, swap: string, more = '') =>
  `host: h\ndisks: {devices: [{disk: ${disk}, swap: ${swap}}]${more}}`;

describe('devices', () => {
  it('are not spoken of where disks are files', async () => {
    await using home = await scratch();
    expect(await checkDevices(await configuration(home.path, ''))).toEqual([]);
  });

  it('that a default guest fits on are fine', async () => {
    await using home = await scratch();
    await using pair = await loopPair(home.path, 'pair', { diskMiB: 4096, swapMiB: 1024 });
    expect(await checkDevices(await configuration(home.path, devices(pair.disk, pair.swap)))).toEqual([
      { name: `disk ${pair.disk}`, state: 'ok', what: '4 GiB' },
      { name: `swap ${pair.swap}`, state: 'ok', what: '1 GiB' },
    ]);
  });

  it('that are small, used, in use, the same or missing are each named with what to do', async () => {
    await using home = await scratch();
    await using pair = await loopPair(home.path, 'pair', { diskMiB: 16, swapMiB: 16 });
    const { disk, swap } = pair;
    const check = async (text: string) => checkDevices(await configuration(home.path, text));
    expect(await check(devices(disk, swap))).toMatchObject([
      {
        state: 'warning',
        what: '16 MiB',
        advice: 'A default guest has 4 GiB: builds must ask for less with --disk.',
      },
      { state: 'warning', what: '16 MiB', advice: expect.stringContaining('1 GiB') },
    ]);
    await run(['mkswap', swap]);
    expect((await check(devices(disk, swap)))[1]).toMatchObject({
      ...{ state: 'failed', what: 'is not empty (swap), and disks.clean is off: no build can have it' },
      advice: `Set disks.clean: true, or wipe it: blkdiscard --zeroout ${swap}`,
    });
    expect((await check(devices(disk, swap, ', clean: true')))[1]).toMatchObject({
      ...{ state: 'warning', what: '16 MiB; what it has (swap) is wiped before a build' },
    });
    await run(['swapon', swap]);
    try {
      expect((await check(devices(disk, swap, ', clean: true')))[1]).toMatchObject({
        ...{ state: 'failed', what: 'is in use: swap of the host' },
      });
    } finally {
      await run(['swapoff', swap]);
    }
    expect(await check(devices('/dev/no-such-device', swap))).toMatchObject([
      { name: 'disk /dev/no-such-device', state: 'failed', what: expect.stringContaining('ENOENT') },
      {},
    ]);
    expect((await check(devices(disk, `/dev//${disk.slice(5)}`)))[1]).toMatchObject({
      ...{ state: 'failed', what: `is the same device as ${disk}` },
    });
  });

  it('that a build has are so', async () => {
    await using home = await scratch();
    await using pair = await loopPair(home.path, 'pair', { diskMiB: 16, swapMiB: 16 });
    const of = await configuration(home.path, devices(pair.disk, pair.swap));
    await mkdir(of.directories.scratch, { recursive: true });
    const lease = await createScratch(of.directories.scratch, 'lease');
    const pairs = [{ disk: pair.disk, swap: pair.swap }];
    const places = createDiskDevices({ pairs, clean: false, host: 'h', lock: join(home.path, 'lock') });
    await places.give(lease, { diskMiB: 16, swapMiB: 16 }, new AbortController().signal);
    expect(await checkDevices(of)).toMatchObject([
      { state: 'ok', what: '16 MiB, given to a build' },
      { state: 'ok', what: '16 MiB, given to a build' },
    ]);
  });
});

describe('huge pages', () => {
  it('are not spoken of where guests have ordinary memory', async () => {
    await using home = await scratch();
    expect(await checkHugePages(await configuration(home.path, ''))).toEqual([]);
  });

  it('that are too few are told with how many and how', async () => {
    await using home = await scratch();
    const { total } = hugePagePool(2);
    const memory = 4 * (total + 1024);
    const of = await configuration(home.path, `vm: {hugePages: 2 MiB}\ncapacity: {memory: ${memory} MiB}`);
    const [finding] = await checkHugePages(of);
    expect(finding?.state).toBe(total < 1024 ? 'failed' : 'warning');
    expect(finding?.what).toMatch(/^\d+ of 2 MiB are reserved, \d+ are free; /);
    expect(finding?.advice).toContain(
      `echo ${memory / 2} >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`,
    );
  });

  it('of a size that the kernel has not are told', async () => {
    await using home = await scratch();
    const [finding] = await checkHugePages(await configuration(home.path, 'vm: {hugePages: 3 MiB}'));
    expect(finding).toMatchObject({
      state: 'failed',
      what: 'the kernel of the host has no huge pages of 3 MiB',
    });
    expect(finding?.advice).toContain('2 MiB');
  });
});
