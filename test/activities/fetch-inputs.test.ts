import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import type { Lease } from '../../activities/contract.ts';
import { fetchInputs } from '../../activities/fetch-inputs.ts';
import type { InputFile, InputPart, Lock, LockedPackage } from '../../schema/lock.ts';
import type { VmType } from '../../schema/request.ts';
import { testStore } from '../support/build-host.ts';

const file = (name: string): InputFile => ({ name, urls: [], size: 1, sha256: 'a'.repeat(64) });
const locked = (name: string): LockedPackage => ({
  ...{ ...file(name), package: name },
  ...{ version: '1', architecture: 'amd64' },
});

const LOCK: Lock = {
  version: 1,
  architecture: 'amd64',
  source: { name: 'tool', version: '1', dsc: 'dsc', files: [file('dsc')] },
  files: [file('seed')],
  base: [locked('libc6')],
  dependencies: [locked('debhelper')],
  kernel: locked('linux'),
  toolkit: [locked('busybox')],
  repositories: [],
};

test.each<[vm: VmType, parts: InputPart[] | undefined, fetched: string]>([
  ['qemu', undefined, 'dsc seed libc6 debhelper linux busybox'],
  ['qemu', ['guest'], 'dsc seed linux busybox'],
  ['qemu', ['base'], 'libc6'],
  ['qemu', ['base', 'dependencies'], 'libc6 debhelper'],
  ['qemu', [], ''],
  // A container boots nothing.
  ['container', undefined, 'dsc seed libc6 debhelper'],
  ['container', ['guest'], 'dsc seed'],
])('for %s, parts %j: fetches %s and nothing else', async (type, parts, fetched) => {
  const store = await testStore();
  const asked: string[] = [];
  const needs = {
    store,
    leases: { check: async () => undefined } as never,
    directories: { scratch: '/nowhere' },
    inputs: {
      fetch: async (files: readonly InputFile[]) => {
        asked.push(...files.map(({ name }) => name));
        return { downloadedBytes: 0, inputBytes: files.length };
      },
    } as never,
  };
  const lock = await store.putBytes(Buffer.from(JSON.stringify(LOCK)));
  const lease = { id: 'lease-1', vm: { type, isolation: 'shared-kernel' } } as Lease;
  await new MockActivityEnvironment().run(fetchInputs(needs), lease, lock, parts);
  expect(asked.join(' ')).toBe(fetched);
});
