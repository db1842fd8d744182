import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../host/run.ts';
import { createScratch, deleteScratch, type ScratchFolder } from '../../host/scratch.ts';
import { blockDevice, firstData } from '../../images/block-device.ts';
import { createDiskDevices, type DiskDevicesOptions } from '../../images/disk-devices.ts';
import type { DiskPlaces, Disks } from '../../images/disk-places.ts';
import { loopDevice, loopPair } from '../support/loop-devices.ts';
import { scratch as temporary } from '../support/scratch.ts';
import type { Give } from './fixtures/give-devices.ts';

const GIVE = resolve(import.meta.dirname, 'fixtures', 'give-devices.ts');
const SIZES = { diskMiB: 16, swapMiB: 16 };
const SIGNAL = new AbortController().signal;

interface Host extends AsyncDisposable {
  root: string;
  pairs: Disks[];
  places(options?: Partial<DiskDevicesOptions>): DiskPlaces;
  options: DiskDevicesOptions;
  lease(id: string): Promise<ScratchFolder>;
}

/** A host with so many pairs of loop devices, 16 MiB each device. */
async function host(count: number, sizes = SIZES): Promise<Host> {
  await using undo = new AsyncDisposableStack();
  const { path } = undo.use(await temporary());
  const root = join(path, 'scratch');
  await mkdir(root);
  const pairs: Disks[] = [];
  for (let at = 0; at < count; at++) {
    const { disk, swap } = undo.use(await loopPair(path, `pair${at}`, sizes));
    pairs.push({ disk, swap });
  }
  const options = { pairs, clean: true, host: 'h', lock: join(path, 'devices.lock') };
  const all = undo.move();
  return {
    ...{ root, pairs, options },
    places: (more = {}) => createDiskDevices({ ...options, ...more }),
    lease: (id) => createScratch(root, id),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function dataAt(path: string): Promise<number | undefined> {
  return firstData(await blockDevice(path), SIGNAL);
}

async function soil(path: string, at = 8 * 1024 ** 2 + 5): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(Buffer.from('of an earlier build'), 0, 19, at);
  await file.sync();
}

const failing = (type: string, message: RegExp) => ({ type, message: expect.stringMatching(message) });

describe('devices that are wiped', () => {
  it('read as zeros from the first byte to the last, whatever lay there', async () => {
    await using on = await host(1);
    const [{ disk, swap }] = on.pairs as [Disks];
    await run(['mke2fs', '-q', '-F', disk]);
    await soil(disk, 16 * 1024 ** 2 - 19);
    await run(['mkswap', swap]);
    expect(await on.places().give(await on.lease('a'), SIZES, SIGNAL)).toEqual({ disk, swap });
    expect([await dataAt(disk), await dataAt(swap)]).toEqual([undefined, undefined]);
  });

  it('are found again by another worker of the host, and given once more to the same lease', async () => {
    await using on = await host(2);
    const a = await on.lease('a');
    const given = await on.places().give(a, SIZES, SIGNAL);
    expect(await on.places().find(a)).toEqual(given);
    expect(await on.places().give(a, SIZES, SIGNAL)).toEqual(given);
  });

  it('go to one lease each, also when many processes ask at once', async () => {
    await using on = await host(3);
    const asked = Array.from({ length: 5 }, async (_, at) => {
      const give: Give = { ...on.options, root: on.root, lease: `lease-${at}` };
      const child = await run([process.execPath, GIVE, JSON.stringify(give)]);
      return JSON.parse(child.stdout) as Partial<Disks> & { failure?: string };
    });
    const answers = await Promise.all(asked);
    const given = answers.filter(({ disk }) => disk !== undefined);
    expect(new Set(given.flatMap(({ disk, swap }) => [disk, swap])).size).toBe(6);
    expect(answers.map(({ failure }) => failure).filter(Boolean)).toEqual(['ScratchFull', 'ScratchFull']);
  });

  it('stay with a dead lease until they are taken back, which may be repeated', async () => {
    await using on = await host(1);
    const [dead, next] = [await on.lease('dead'), await on.lease('next')];
    await on.places().give(dead, SIZES, SIGNAL);
    await expect(on.places().give(next, SIZES, SIGNAL)).rejects.toMatchObject(
      failing('ScratchFull', /^all 1 pairs .* are taken$/),
    );
    await on.places().takeBack(dead);
    await on.places().takeBack(dead);
    expect(await on.places().give(next, SIZES, SIGNAL)).toEqual(on.pairs[0]);
    await deleteScratch(on.root, 'next');
    await on.places().takeBack(next);
    expect(await on.places().give(await on.lease('third'), SIZES, SIGNAL)).toEqual(on.pairs[0]);
  });

  it('are told apart from those of another host that shares the scratch', async () => {
    await using on = await host(1);
    await on.places({ host: 'other' }).give(await on.lease('other-1'), SIZES, SIGNAL);
    expect(await on.places().give(await on.lease('h-1'), SIZES, SIGNAL)).toEqual(on.pairs[0]);
  });

  it('have an empty disk again for each attempt to fill it', async () => {
    await using on = await host(1);
    const a = await on.lease('a');
    const { disk } = await on.places().give(a, SIZES, SIGNAL);
    await on.places().renewDisk(a, 16, SIGNAL);
    await soil(disk);
    await on.places().renewDisk(a, 16, SIGNAL);
    expect(await dataAt(disk)).toBeUndefined();
  });

  it('are known by their number, not by their name', async () => {
    await using on = await host(1);
    const [pair] = on.pairs as [Disks];
    const names = { disk: join(on.root, '..', 'by-name-disk'), swap: join(on.root, '..', 'by-name-swap') };
    await symlink(pair.disk, names.disk);
    await symlink(pair.swap, names.swap);
    const pairs = [names, pair];
    expect(await on.places({ pairs }).give(await on.lease('a'), SIZES, SIGNAL)).toEqual(pair);
    await expect(on.places({ pairs }).give(await on.lease('b'), SIZES, SIGNAL)).rejects.toMatchObject({
      type: 'ScratchFull',
    });
  });

  it('are the smallest that will do', async () => {
    await using on = await host(1, { diskMiB: 32, swapMiB: 16 });
    await using small = await loopPair(join(on.root, '..'), 'small', SIZES);
    const pairs = [...on.pairs, { disk: small.disk, swap: small.swap }];
    expect(await on.places({ pairs }).give(await on.lease('a'), SIZES, SIGNAL)).toEqual(pairs[1]);
    const large = { ...SIZES, diskMiB: 20 };
    expect(await on.places({ pairs }).give(await on.lease('b'), large, SIGNAL)).toEqual(pairs[0]);
  });
});

describe('devices that are not wiped', () => {
  it('are given where they are all zeros', async () => {
    await using on = await host(1);
    expect(await on.places({ clean: false }).give(await on.lease('a'), SIZES, SIGNAL)).toEqual(on.pairs[0]);
  });

  it.each([
    [
      'data without a signature',
      (path: string) => soil(path),
      /is not empty: it has data \(first at byte 8388613\)/,
    ],
    ['a filesystem', (path: string) => run(['mke2fs', '-q', '-F', path]), /is not empty: it has ext2/],
    ['a swap', (path: string) => run(['mkswap', path]), /is not empty: it has swap/],
  ] as const)('are refused with %s, and not written to', async (_what, make, message) => {
    await using on = await host(1);
    for (const which of ['disk', 'swap'] as const) {
      const path = on.pairs[0]?.[which] ?? '';
      await make(path);
      const before = await readFile(path);
      const a = await on.lease(`a-${which}`);
      await expect(on.places({ clean: false }).give(a, SIZES, SIGNAL)).rejects.toMatchObject({
        ...failing('HostUnfit', message),
        more: { advice: expect.stringContaining('disks.clean: true') },
      });
      expect((await readFile(path)).equals(before)).toBe(true);
      await on.places().takeBack(a);
      await run(['blkdiscard', '--zeroout', path]);
    }
  });

  it('are refused to the build after one that used them', async () => {
    await using on = await host(1);
    const places = on.places({ clean: false });
    const a = await on.lease('a');
    const { disk } = await places.give(a, SIZES, SIGNAL);
    await places.renewDisk(a, 16, SIGNAL);
    await soil(disk);
    // Its own second attempt finds an empty disk all the same.
    await places.renewDisk(a, 16, SIGNAL);
    expect(await dataAt(disk)).toBeUndefined();
    await soil(disk);
    await places.takeBack(a);
    await expect(places.give(await on.lease('b'), SIZES, SIGNAL)).rejects.toMatchObject({
      type: 'HostUnfit',
    });
  });
});

describe('devices that must not be used', () => {
  it('too small ones: named with their size and what is wanted', async () => {
    await using on = await host(1);
    const [{ disk, swap }] = on.pairs as [Disks];
    const a = await on.lease('a');
    await expect(on.places().give(a, { diskMiB: 17, swapMiB: 16 }, SIGNAL)).rejects.toMatchObject(
      failing('HostUnfit', new RegExp(`no device is large enough: ${disk} has 16 MiB, 17 MiB are wanted`)),
    );
    await expect(on.places().admit(on.root, { diskMiB: 16, swapMiB: 99 })).rejects.toMatchObject(
      failing('NoHostAvailable', new RegExp(`host h: .*${swap} has 16 MiB, 99 MiB are wanted`)),
    );
    await on.places().admit(on.root, { diskMiB: 16 });
  });

  it('mounted ones, swap of the host, and those that a process has open', async () => {
    await using on = await host(1);
    const [{ disk, swap }] = on.pairs as [Disks];
    const a = await on.lease('a');
    const refused = (message: RegExp) =>
      expect(on.places().give(a, SIZES, SIGNAL)).rejects.toMatchObject(failing('HostUnfit', message));
    await run(['mke2fs', '-q', '-F', disk]);
    const mountPoint = join(on.root, '..', 'mnt');
    await mkdir(mountPoint);
    await run(['mount', disk, mountPoint]);
    try {
      await refused(new RegExp(`${disk} is in use: mounted on ${mountPoint}`));
      expect(await dataAt(disk)).toBeDefined();
    } finally {
      await run(['umount', mountPoint]);
    }
    await run(['mkswap', swap]);
    await run(['swapon', swap]);
    try {
      await refused(new RegExp(`${swap} is in use: swap of the host`));
    } finally {
      await run(['swapoff', swap]);
    }
    const holder = spawn('sh', ['-c', 'exec sleep 60 <"$1"', 'sh', swap], { stdio: 'ignore' });
    try {
      await refused(new RegExp(`${swap} is in use: open in process ${holder.pid} \\(sleep\\)`));
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
  });

  it('one that is mounted where nobody here sees it', async () => {
    await using on = await host(1);
    const [{ disk }] = on.pairs as [Disks];
    await run(['mke2fs', '-q', '-F', disk]);
    const script = 'mount "$1" /mnt; echo mounted; read -r line';
    const hidden = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', disk]);
    try {
      await once(hidden.stdout, 'data');
      await expect(on.places().give(await on.lease('a'), SIZES, SIGNAL)).rejects.toMatchObject(
        failing('HostUnfit', new RegExp(`${disk} is in use: the kernel has given it away`)),
      );
    } finally {
      hidden.stdin.end();
      await once(hidden, 'exit');
    }
  });

  it('what is behind another device', async () => {
    await using on = await host(1);
    const [{ disk }] = on.pairs as [Disks];
    const above = (await run(['losetup', '--find', '--show', disk])).stdout.trim();
    try {
      await expect(on.places().give(await on.lease('a'), SIZES, SIGNAL)).rejects.toMatchObject(
        failing('HostUnfit', new RegExp(`behind ${above.replace('/dev/', '')}`)),
      );
    } finally {
      await run(['losetup', '--detach', above]);
    }
  });

  it('are passed over where another pair will do', async () => {
    await using on = await host(2);
    await using _held = await open(on.pairs[0]?.disk ?? '', 'r+');
    expect(await on.places().give(await on.lease('a'), SIZES, SIGNAL)).toEqual(on.pairs[1]);
  });

  it.each([
    ['nothing', () => '/dev/no-such-device', /\/dev\/no-such-device cannot be used: ENOENT/],
    ['a file', () => process.execPath, /is no block device/],
    ['a character device', () => '/dev/zero', /\/dev\/zero is no block device/],
    ['the same twice', (_: string, swap: string) => swap, /are the same device/],
  ] as const)('%s', async (_what, make, message) => {
    await using on = await host(1);
    const swap = on.pairs[0]?.swap ?? '';
    const pairs = [{ disk: await make(on.root, swap), swap }];
    await expect(on.places({ pairs }).give(await on.lease('a'), SIZES, SIGNAL)).rejects.toMatchObject(
      failing('HostUnfit', message),
    );
  });

  it('one whose name leads elsewhere by now', async () => {
    await using on = await host(2);
    const a = await on.lease('a');
    const given = await on.places({ pairs: on.pairs.slice(0, 1) }).give(a, SIZES, SIGNAL);
    const record = join(a.folder, 'devices.json');
    const other = (await blockDevice(on.pairs[1]?.disk ?? '')).number;
    const own = (await blockDevice(given.disk)).number;
    await writeFile(record, (await readFile(record, 'utf8')).replace(`"${own}"`, `"${other}"`));
    await expect(on.places().find(a)).rejects.toMatchObject(failing('HostUnfit', /is another device/));
  });

  it('none are given while a record is damaged, and it says which', async () => {
    await using on = await host(2);
    const a = await on.lease('a');
    await writeFile(join(a.folder, 'devices.json'), '{"version": 1');
    await expect(on.places().give(await on.lease('b'), SIZES, SIGNAL)).rejects.toMatchObject({
      ...failing('HostUnfit', /nobody knows which devices are taken: .*devices.json is damaged/),
      more: { advice: expect.stringContaining(join(a.folder, 'devices.json')) },
    });
    await on.places().takeBack(a);
    await on.places().give(await on.lease('b'), SIZES, SIGNAL);
  });
});

it('a lease without devices is told so', async () => {
  await using on = await host(1);
  await expect(on.places().find(await on.lease('a'))).rejects.toMatchObject(
    failing('HostUnfit', /began under another configuration/),
  );
});

it('a device that lost its size is none', async () => {
  await using folder = await temporary();
  await using loop = await loopDevice(folder.path, 'file', 1);
  expect((await blockDevice(loop.path)).bytes).toBe(1024 ** 2);
});
