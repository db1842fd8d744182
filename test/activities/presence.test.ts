import type { Client } from '@temporalio/client';
import { expect, test } from 'vitest';
import type { Demand } from '../../activities/contract.ts';
import { identityOf, offers, type Presence, presentHosts } from '../../activities/presence.ts';
import { Architecture } from '../../schema/request.ts';

const ANVIL: Presence = {
  ...{ host: 'anvil', memoryMiB: 8192 },
  vms: [
    { type: 'kvm', isolation: 'secure', architectures: ['amd64', 'i386'] },
    { type: 'qemu', isolation: 'emulated', architectures: ['amd64', 'arm64'] },
  ],
};

/** A client of a server that names these pollers, by identity and seconds since they last polled. */
function clientOf(pollers: [identity: string, seconds: number][]): Client {
  const describeTaskQueue = async () => ({
    pollers: pollers.map(([identity, ago]) => ({
      ...{ identity, lastAccessTime: { seconds: Math.floor(Date.now() / 1000) - ago } },
    })),
  });
  return { workflowService: { describeTaskQueue }, options: { namespace: 'default' } } as unknown as Client;
}

test('what a host says of itself is what the others hear, once, by name', async () => {
  const forge = { ...ANVIL, host: 'forge' };
  const client = clientOf([
    [identityOf(forge), 1],
    [identityOf(ANVIL), 20],
    [identityOf(ANVIL), 1],
  ]);
  expect(await presentHosts(client)).toEqual([ANVIL, forge]);
});

test.each<[string, [string, number]]>([
  ['has not polled for long', [identityOf(ANVIL), 60]],
  ['is another program', ['4711@anvil', 1]],
  ['says something else', ['{"host":"anvil"}', 1]],
  ['says nothing', ['', 1]],
])('a poller that %s is no host', async (_, poller) => {
  expect(await presentHosts(clientOf([poller]))).toEqual([]);
});

test('an identity stays as short as Temporal wants it: the best VM types are named', () => {
  const all = { type: 'qemu', isolation: 'emulated', architectures: [...Architecture.options] } as const;
  const many = { ...ANVIL, vms: [...ANVIL.vms, ...Array.from({ length: 40 }, () => all)] };
  const identity = identityOf(many);
  expect(Buffer.byteLength(identity)).toBeLessThanOrEqual(1000);
  expect(JSON.parse(identity).vms.slice(0, 2)).toEqual(ANVIL.vms);
});

test.each<[Partial<Demand>, boolean]>([
  [{}, true],
  [{ isolation: 'secure' }, true],
  [{ type: 'qemu' }, true],
  [{ architecture: 'i386' }, true],
  [{ architecture: 'arm64' }, true],
  [{ architecture: 'arm64', isolation: 'secure' }, false],
  [{ architecture: 'i386', type: 'qemu' }, false],
  [{ architecture: 'armhf' }, false],
  [{ type: 'container' }, false],
  // Memory is another question.
  [{ memoryMiB: 1_000_000 }, true],
])('whether it offers %j: %s', (demand, expected) => {
  const whole: Demand = {
    ...{ architecture: 'amd64', isolation: 'emulated', cpus: 1, memoryMiB: 256, diskMiB: 16, swapMiB: 16 },
    ...demand,
  };
  expect(offers(ANVIL, whole)).toBe(expected);
});
