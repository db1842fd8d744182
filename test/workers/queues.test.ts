import { expect, test } from 'vitest';
import { demandQueues } from '../../workers/queues.ts';
import { demandQueue } from '../../workflows/names.ts';

const kvm = { type: 'kvm', isolation: 'secure', architectures: ['amd64'] } as const;
const qemu = { type: 'qemu', isolation: 'emulated', architectures: ['amd64'] } as const;

test('a host polls its types, and every isolation up to the strongest of each', () => {
  expect(demandQueues({ vms: [qemu], memoryMiB: 2048 })).toEqual([
    'slipway-amd64-qemu-small',
    'slipway-amd64-emulated-small',
    'slipway-amd64-user-space-kernel-small',
    'slipway-amd64-shared-kernel-small',
  ]);
  const both = demandQueues({ vms: [kvm, qemu], memoryMiB: 2048 });
  expect(both).toContain('slipway-amd64-secure-small');
  expect(new Set(both).size).toBe(both.length);
});

test('each type is polled for the architectures that were proven with it', () => {
  const emulating = { ...qemu, architectures: ['amd64', 'arm64'] } as const;
  const queues = demandQueues({
    vms: [{ ...kvm, architectures: ['amd64', 'i386'] }, emulating],
    memoryMiB: 2048,
  });
  const polled = (architecture: string, what: string) =>
    queues.includes(`slipway-${architecture}-${what}-small`);
  expect(polled('i386', 'secure')).toBe(true);
  expect(polled('i386', 'qemu')).toBe(false);
  expect(polled('arm64', 'emulated')).toBe(true);
  expect(polled('arm64', 'secure')).toBe(false);
  expect(polled('armhf', 'emulated')).toBe(false);
});

test.each([
  [{ isolation: 'secure', memoryMiB: 2048 }, false],
  [{ isolation: 'emulated', memoryMiB: 4096 }, true],
  [{ isolation: 'emulated', memoryMiB: 4097 }, true],
  [{ isolation: 'emulated', memoryMiB: 16_385 }, false],
  [{ isolation: 'shared-kernel', type: 'qemu', memoryMiB: 1024 }, true],
  [{ isolation: 'shared-kernel', type: 'kvm', memoryMiB: 1024 }, false],
] as const)('a host of 8 GiB with qemu is asked for %j: %s', (demand, isPolled) => {
  const queues = demandQueues({ vms: [qemu], memoryMiB: 8192 });
  expect(queues.includes(demandQueue({ architecture: 'amd64', ...demand }))).toBe(isPolled);
});
