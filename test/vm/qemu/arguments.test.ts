import { describe, expect, it } from 'vitest';
import { qemuArguments } from '../../../vm/qemu/arguments.ts';
import type { GuestSpec } from '../../../vm/vm.ts';

const spec: GuestSpec = {
  ...{ phase: 'build', nonce: 'ab'.repeat(16), architecture: 'amd64', cpus: 3, memoryMiB: 777 },
  ...{ disk: '/the/disk', swap: '/the/swap', kernel: '/the/kernel', initramfs: '/the/initramfs' },
  filesystem: { name: 'ext4', mountOptions: [], content: 'device' },
  commands: [{ argv: ['a,b=c', '-device'], env: { X: 'y' }, user: 'root', cwd: '/' }],
  limits: { bootSeconds: 1, heartbeatSeconds: 1, logSilenceSeconds: 1, totalSeconds: 1, logBytes: 1 },
};

const argv = (accelerator: 'kvm' | 'tcg') => qemuArguments(accelerator, spec, { uid: 4711, gid: 4712 });

/** The values of an option, in order. */
function values(words: readonly string[], option: string): string[] {
  return words.flatMap((word, index) => (word === option ? [words[index + 1] ?? ''] : []));
}

describe('the command line of QEMU', () => {
  it('has nothing in it that a request chose but numbers', () => {
    expect(argv('tcg').join('\n')).not.toMatch(/\/the\/|a,b=c|abab/);
    expect(values(argv('tcg'), '-smp')).toEqual(['3']);
    expect(values(argv('tcg'), '-m')).toEqual(['777M']);
  });

  it('gives all rights up before QEMU starts', () => {
    const words = argv('tcg');
    const before = words.slice(0, words.indexOf('qemu-system-x86_64'));
    expect(before).toEqual(
      expect.arrayContaining([
        '--reuid=4711',
        '--regid=4712',
        '--clear-groups',
        '--no-new-privs',
        '--bounding-set=-all',
      ]),
    );
  });

  it('pins the format of both disks and stops at an error of the host', () => {
    const disks = values(argv('tcg'), '-blockdev').map((json) => JSON.parse(json));
    expect(disks.map(({ driver }) => driver)).toEqual(['raw', 'raw']);
    const devices = values(argv('tcg'), '-device').filter((device) => device.startsWith('virtio-blk-pci'));
    // The order makes them vda and vdb.
    expect(devices.map((device) => /drive=(\w+)/.exec(device)?.[1])).toEqual(['disk', 'swap']);
    for (const device of devices) expect(device).toMatch(/werror=stop,rerror=stop/);
  });

  it('takes the accelerator and a processor that suits it', () => {
    expect([values(argv('kvm'), '-accel'), values(argv('kvm'), '-cpu')]).toEqual([['kvm'], ['host']]);
    expect([values(argv('tcg'), '-accel'), values(argv('tcg'), '-cpu')]).toEqual([
      ['tcg,thread=multi'],
      ['max,-erms,-fsrm'],
    ]);
  });

  it('tells an emulated kernel, and no other, what would cost an emulator much', () => {
    expect(values(argv('tcg'), '-append')).toEqual([
      'console=ttyS0 panic=-1 mitigations=off no5lvl cryptomgr.notests',
    ]);
    expect(values(argv('kvm'), '-append')).toEqual(['console=ttyS0 panic=-1']);
  });

  it.each([
    ['amd64', 'qemu-system-x86_64', 'q35', 'console=ttyS0', 'max,-erms,-fsrm'],
    ['i386', 'qemu-system-x86_64', 'q35', 'console=ttyS0', 'max,-erms,-fsrm'],
    ['arm64', 'qemu-system-aarch64', 'virt', 'console=ttyAMA0', 'max,pauth=off,sve=off'],
    ['armhf', 'qemu-system-aarch64', 'virt', 'console=ttyAMA0', 'max,pauth=off,sve=off'],
  ] as const)('has the machine of %s: %s, %s', (architecture, program, machine, console, cpu) => {
    const words = qemuArguments('tcg', { ...spec, architecture }, { uid: 4711, gid: 4712 });
    expect(words).toContain(program);
    expect(values(words, '-machine')[0]?.split(',')[0]).toBe(machine);
    expect(values(words, '-append')[0]?.split(' ')[0]).toBe(console);
    expect(values(words, '-cpu')).toEqual([cpu]);
    expect(values(words, '-device').includes('pvpanic-pci')).toBe(machine === 'q35');
  });

  it('has no network', () => {
    expect(argv('tcg').join(' ')).not.toMatch(/netdev|-nic|virtio-net/);
    expect(argv('tcg')).toContain('-nodefaults');
  });
});
