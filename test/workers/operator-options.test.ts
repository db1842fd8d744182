import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ext4 } from '../../images/ext4.ts';
import { withMountOptions } from '../../images/filesystems.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { BuildRequest } from '../../schema/request.ts';
import { loadConfiguration, parseConfiguration } from '../../workers/configuration.ts';

function itemsOf(text: string): string[] {
  try {
    parseConfiguration(text, 'slipway.yaml');
  } catch (error) {
    if (error instanceof SlipwayFailure) return error.more.items ?? [];
    throw error;
  }
  return [];
}

const EMULATOR = 'program: /usr/local/bin/run-guest, isolation: emulated';

describe('what an operator may write', () => {
  it.each([
    'disks: {devices: [{disk: /dev/vg0/disk0, swap: /dev/vg0/swap0}]}',
    'disks: {devices: [{disk: /dev/disk/by-id/nvme-A_B.c:1-part3, swap: /dev/mapper/vg0-swap}], clean: true}',
    'disks: {clean: false}',
    'disks: {devices: [{disk: /dev/a, swap: /dev/b}, {disk: /dev/c, swap: /dev/d}]}\ncapacity: {builds: 2}',
    'disks: {devices: [{disk: /dev/a, swap: /dev/b}, {disk: /dev/c, swap: /dev/d}]}\ncapacity: {builds: 1}',
    'disks: {mountOptions: {ext4: [noatime, commit=600, data=writeback], xfs: [], btrfs: ["compress=zstd:3"]}}',
    'buildRoots: {size: 0 GiB}',
    'buildRoots: {size: 512 MiB, leaveFree: 1.5 GiB}',
    'vm: {hugePages: true}',
    'vm: {hugePages: false}',
    'vm: {hugePages: 1 GiB}',
    'vm: {qemuOptions: []}',
    'vm: {qemuOptions: ["-cpu", "max,-avx512f", "-overcommit", "mem-lock=off"]}',
    'vm: {qemuOptions: ["-global", "virtio-blk-pci.disable-legacy=on"]}',
    `vm: {types: [emulator], emulator: {${EMULATOR}}}`,
    `vm: {types: [kvm, emulator], emulator: {${EMULATOR}, protocol: qmp, device: /dev/kvm}}`,
    `vm: {emulator: {${EMULATOR}}}`,
  ])('%s', (text) => {
    expect(itemsOf(text)).toEqual([]);
  });
});

describe('what is refused, with its path', () => {
  it.each([
    ['disks: {devices: []}', 'disks.devices: '],
    ['buildRoots: {size: 0}', 'buildRoots.size: must be a size with its unit'],
    ['buildRoots: {size: -1 GiB}', 'buildRoots.size: "-1 GiB" is not a size'],
    ['buildRoots: {maxGiB: 3}', 'buildRoots.maxGiB: unknown field; valid here: size, leaveFree'],
    ['disks: {devices: /dev/sda}', 'disks.devices: '],
    ['disks: {devices: [{disk: /dev/a}]}', 'disks.devices[0].swap: is missing'],
    [
      'disks: {devices: [{disk: /dev/a, swap: /dev/b, size: 1}]}',
      'disks.devices[0].size: unknown field; valid here: disk, swap',
    ],
    [
      'disks: {devices: [{disk: sda, swap: /dev/b}]}',
      'disks.devices[0].disk: must be the path of a block device',
    ],
    [
      'disks: {devices: [{disk: /srv/disk, swap: /dev/b}]}',
      'disks.devices[0].disk: must be the path of a block device',
    ],
    [
      'disks: {devices: [{disk: /dev/../etc/passwd, swap: /dev/b}]}',
      'disks.devices[0].disk: must be the path of a block device',
    ],
    [
      'disks: {devices: [{disk: "/dev/a b", swap: /dev/b}]}',
      'disks.devices[0].disk: must be the path of a block device',
    ],
    [
      'disks: {devices: [{disk: "/dev/a?offset=1", swap: /dev/b}]}',
      'disks.devices[0].disk: must be the path of a block device',
    ],
    ['disks: {devices: [{disk: /dev/a, swap: /dev/a}]}', 'disks.devices[0].swap: /dev/a is given twice'],
    [
      'disks: {devices: [{disk: /dev/a, swap: /dev/b}, {disk: /dev/b, swap: /dev/c}]}',
      'disks.devices[1].disk: /dev/b is given twice',
    ],
    ['disks: {clean: "yes"}', 'disks.clean: '],
    [
      'disks: {devices: [{disk: /dev/a, swap: /dev/b}]}\ncapacity: {builds: 2}',
      'capacity.builds: is 2, but disks.devices has 1 pairs',
    ],
    ['disks: {mountOptions: [noatime]}', 'disks.mountOptions: '],
    [
      'disks: {mountOptions: {zfs: []}}',
      'disks.mountOptions.zfs: unknown field; valid here: ext2, ext3, ext4, xfs, btrfs',
    ],
    ['disks: {mountOptions: {ext4: "noatime"}}', 'disks.mountOptions.ext4: '],
    [
      'disks: {mountOptions: {ext4: ["noatime,loop"]}}',
      'disks.mountOptions.ext4[0]: must be one mount option',
    ],
    [
      'disks: {mountOptions: {ext4: ["noatime loop"]}}',
      'disks.mountOptions.ext4[0]: must be one mount option',
    ],
    [
      'disks: {mountOptions: {ext4: ["data=/dev/sda"]}}',
      'disks.mountOptions.ext4[0]: must be one mount option',
    ],
    ['disks: {mountOptions: {ext4: [""]}}', 'disks.mountOptions.ext4[0]: must be one mount option'],
    ...[
      'ro',
      'loop',
      'loop=1',
      'offset=512',
      'bind',
      'remount',
      'noexec',
      'nodev',
      'nosuid',
      'user',
      'subvol=x',
    ].map((option) => [
      `disks: {mountOptions: {xfs: [noatime, "${option}"]}}`,
      `disks.mountOptions.xfs[1]: ${option} is not an option for the disk of a build`,
    ]),
    ['vm: {hugePages: 2}', 'vm.hugePages: must be true, false or the size of a page, as in 1 GiB'],
    ['vm: {hugePages: "on"}', 'vm.hugePages: must be true, false or the size of a page, as in 1 GiB'],
    ['vm: {qemuOptions: "-cpu max"}', 'vm.qemuOptions: '],
    ['vm: {qemuOptions: ["cpu"]}', 'vm.qemuOptions[0]: must begin with -'],
    ['vm: {qemuOptions: ["-cpu", ""]}', 'vm.qemuOptions[1]: must not be empty'],
    ['vm: {qemuOptions: ["-name\\n"]}', 'vm.qemuOptions[0]: must be one word'],
    ...[
      'sandbox',
      'runas',
      'daemonize',
      'S',
      'incoming',
      'kernel',
      'm',
      'smp',
      'qmp',
      'monitor',
      'snapshot',
      'action',
    ].flatMap((name) =>
      ['-', '--'].map((dashes) => [
        `vm: {qemuOptions: ["-overcommit", "cpu-pm=on", "${dashes}${name}", "x"]}`,
        `vm.qemuOptions[2]: ${dashes}${name} is refused: `,
      ]),
    ),
    ['vm: {types: [emulator]}', 'vm.emulator: is missing: vm.types offers emulator'],
    ['vm: {emulator: {program: /bin/x}}', 'vm.emulator.isolation: '],
    ['vm: {emulator: {isolation: secure}}', 'vm.emulator.program: is missing'],
    [
      'vm: {emulator: {program: run-guest, isolation: secure}}',
      'vm.emulator.program: must be the absolute path of a program',
    ],
    [
      'vm: {emulator: {program: /opt/bin/, isolation: secure}}',
      'vm.emulator.program: must be the absolute path of a program',
    ],
    ['vm: {emulator: {program: /bin/x, isolation: perfect}}', 'vm.emulator.isolation: '],
    [`vm: {emulator: {${EMULATOR}, protocol: json}}`, 'vm.emulator.protocol: '],
    [`vm: {emulator: {${EMULATOR}, device: /etc/passwd}}`, 'vm.emulator.device: must be below /dev'],
    [
      `vm: {emulator: {${EMULATOR}, arguments: [x]}}`,
      'vm.emulator.arguments: unknown field; valid here: program, isolation, protocol, device',
    ],
  ] as [string, string][])('%s', (text, item) => {
    expect(itemsOf(text)).toEqual([expect.stringContaining(item)]);
    expect(itemsOf(text)[0]?.startsWith(item)).toBe(true);
  });
});

describe('defaults', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'slipway-configuration-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  async function load(text: string) {
    await writeFile(join(home, 'slipway.yaml'), text);
    return loadConfiguration(undefined, { SLIPWAY_HOME: home });
  }

  it('nothing is wiped, no device, ordinary pages, no emulator', async () => {
    const { disks, vm, capacity } = await load('');
    expect(disks).toMatchObject({ clean: false, mountOptions: {} });
    expect(disks.devices).toBeUndefined();
    expect(vm).toMatchObject({ hugePages: false, qemuOptions: [] });
    expect(capacity.builds).toBe(Math.max(1, Math.floor(availableParallelism() / 2)));
  });

  it('a build for each pair of devices', async () => {
    const pairs = [0, 1, 2, 3, 4].map((at) => `{disk: /dev/d${at}, swap: /dev/s${at}}`);
    expect((await load(`disks: {devices: [${pairs.join(', ')}]}`)).capacity.builds).toBe(5);
    expect(
      (await load(`disks: {devices: [${pairs.join(', ')}]}\ncapacity: {builds: 3}`)).capacity.builds,
    ).toBe(3);
  });

  it('sizes of pages are MiB', async () => {
    expect((await load('vm: {hugePages: 1 GiB}')).vm.hugePages).toBe(1024);
  });
});

describe('mount options', () => {
  it("take the place of a filesystem's own, only where they are given", () => {
    const all = { ext4 };
    expect(withMountOptions(all, { ext4: ['noatime'] }).ext4).toEqual({ ...ext4, mountOptions: ['noatime'] });
    expect(withMountOptions(all, { ext4: [] }).ext4?.mountOptions).toEqual([]);
    expect(withMountOptions(all, { xfs: ['noatime'] }).ext4).toEqual(ext4);
  });
});

describe('a request', () => {
  const request = { recipe: { kind: 'debian', source: { name: 'hello' } } };
  const unknown = (value: object) => {
    const parsed = BuildRequest.safeParse({ ...request, ...value });
    return parsed.error?.issues.map((issue) => [issue.path, 'keys' in issue ? issue.keys : issue.code]);
  };

  it.each([
    [{ vm: { qemuOptions: ['-cpu', 'max'] } }, [['vm'], ['qemuOptions']]],
    [{ vm: { hugePages: true } }, [['vm'], ['hugePages']]],
    [{ vm: { emulator: { program: '/bin/sh', isolation: 'secure' } } }, [['vm'], ['emulator']]],
    [{ vm: { device: '/dev/kvm' } }, [['vm'], ['device']]],
    [{ resources: { mountOptions: ['noatime'] } }, [['resources'], ['mountOptions']]],
    [{ resources: { disk: '/dev/sda' } }, [['resources'], ['disk']]],
    [{ resources: { devices: [{ disk: '/dev/sda', swap: '/dev/sdb' }] } }, [['resources'], ['devices']]],
    [{ disks: { clean: true } }, [[], ['disks']]],
    [{ disks: { devices: [] } }, [[], ['disks']]],
  ])('cannot say %j', (value, problem) => {
    expect(unknown(value)).toEqual([problem]);
  });

  it('may name the type emulator, whatever isolation it demands: only a host knows what its emulator has', () => {
    for (const isolation of ['secure', 'emulated', 'shared-kernel'])
      expect(unknown({ vm: { type: 'emulator', isolation } })).toBeUndefined();
    expect(unknown({ vm: { type: 'qemu', isolation: 'secure' } })).toHaveLength(1);
  });
});
