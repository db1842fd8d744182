import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createScratch } from '../../host/scratch.ts';
import { blockDevice } from '../../images/block-device.ts';
import { usersOf } from '../../images/device-users.ts';
import { createDiskDevices } from '../../images/disk-devices.ts';
import type { Disks } from '../../images/disk-places.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { reap } from '../../workers/janitor.ts';
import { createTestHost, requestFor, type TestHostOptions, testStore } from '../support/build-host.ts';
import { startBuild, statusWhere } from '../support/builds.ts';
import { loopPair } from '../support/loop-devices.ts';
import { startTemporal } from '../support/temporal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
});
afterAll(() => environment?.teardown());

let hosts = 0;

/** A host whose guests have so many pairs of block devices, of 32 and 16 MiB, as all that it has. */
async function hostWithDevices(count: number, scenario: TestHostOptions['scenario'], clean = true) {
  const home = await temporaryFolder();
  const pairs: Disks[] = [];
  for (let at = 0; at < count; at++) {
    const pair = await loopPair(home, `pair${at}`, { diskMiB: 32, swapMiB: 16 });
    onTestFinished(() => pair[Symbol.asyncDispose]());
    pairs.push({ disk: pair.disk, swap: pair.swap });
  }
  const store = await testStore();
  const host = `devices-${++hosts}`;
  const made = await createTestHost({
    ...{ environment, workflowBundle, store, scenario, host, home, builds: count, defer: onTestFinished },
  });
  const disks = createDiskDevices({ pairs, clean, host, lock: join(home, 'devices.lock') });
  Object.assign(made.dependencies, { disks });
  return { ...made, store, pairs, disks };
}

const PACKAGE: TestHostOptions['scenario'] = ({ phase }) =>
  phase === 'build' ? { files: { 'a.deb': { content: 'a package of this build' } } } : {};

test('builds one after the other on the same devices, each from empty ones', async () => {
  const { start, store, pairs, leftOvers } = await hostWithDevices(1, PACKAGE);
  await start();
  for (const name of ['one', 'two']) {
    const build = await startBuild(environment.client, requestFor(name), onTestFinished);
    const result = await build.result();
    expect(result.outcome).toBe('succeeded');
    const [artifact] = result.artifacts;
    const content = Buffer.from(await store.readBytes(artifact?.sha256 ?? '')).toString();
    expect(content).toBe('a package of this build');
  }
  expect(await leftOvers()).toEqual({ leases: [], scratch: [] });
  for (const path of [pairs[0]?.disk, pairs[0]?.swap]) {
    expect(await usersOf(await blockDevice(path ?? ''))).toEqual([]);
    expect((await readFile(path ?? '')).some((byte) => byte !== 0)).toBe(true);
  }
});

test('a second build waits for the devices of a first one, and gets them when that is cancelled', async () => {
  const { start } = await hostWithDevices(1, ({ commands: _, ...spec }) =>
    spec.phase === 'install' ? { milliseconds: 1_000_000 } : {},
  );
  await start();
  const first = await startBuild(environment.client, requestFor('first'), onTestFinished);
  await statusWhere(first, ({ phase }) => phase === 'install');
  const second = await startBuild(environment.client, requestFor('second'), onTestFinished);
  await first.cancel();
  await expect(first.result()).rejects.toThrow();
  await statusWhere(second, ({ phase }) => phase === 'install');
  await second.cancel();
  await expect(second.result()).rejects.toThrow();
});

test.each([
  ['disk', { diskMiB: 64, swapMiB: 16 }, '32 MiB, 64 MiB are wanted'],
  ['swap', { diskMiB: 32, swapMiB: 17 }, '16 MiB, 17 MiB are wanted'],
] as const)(
  'a build whose %s is larger than all devices is not taken, and the waiting says why',
  async (which, sizes, has) => {
    const { start, pairs, leftOvers } = await hostWithDevices(1, {});
    await start();
    const resources = { cpus: 1, memoryMiB: 256, ...sizes };
    const request = requestFor(`large-${which}`, { resources });
    const build = await startBuild(environment.client, request, onTestFinished);
    const { waiting } = await statusWhere(build, (status) => status.waiting !== undefined);
    expect(waiting).toMatchObject({
      type: 'NoHostAvailable',
      message: expect.stringContaining(`${pairs[0]?.[which]} has ${has}`),
    });
    expect(await leftOvers()).toEqual({ leases: [], scratch: [] });
  },
);

test('devices that are not wiped do for one build; the next is told what to do', async () => {
  const { start, pairs, leftOvers } = await hostWithDevices(1, PACKAGE, false);
  await start();
  const first = await startBuild(environment.client, requestFor('clean'), onTestFinished);
  expect((await first.result()).outcome).toBe('succeeded');
  const second = await startBuild(environment.client, requestFor('soiled'), onTestFinished);
  const error = await second.result().catch((failed: Error) => failed);
  expect(error).toMatchObject({
    cause: {
      type: 'HostUnfit',
      message: expect.stringContaining(`${pairs[0]?.disk} is not empty`),
      details: [{ phase: 'image', advice: expect.stringContaining('disks.clean: true') }],
    },
  });
  expect(await leftOvers()).toEqual({ leases: [], scratch: [] });
});

test('devices of a dead lease are taken until the janitor has cleaned up after it', async () => {
  const { dependencies, disks, pairs, leftOvers } = await hostWithDevices(1, {});
  const { host, leases, directories } = dependencies;
  const lease = async (name: string) => {
    const [id, run] = [`${host}-${randomUUID()}-0-1`, randomUUID()];
    const vm = { type: 'qemu', isolation: 'emulated' } as const;
    await leases.claim({ id, build: `build/nobody/${name}`, run, round: 0, vm, memoryMiB: 16 });
    return createScratch(directories.scratch, id);
  };
  const give = async (name: string) =>
    disks.give(await lease(name), { diskMiB: 32, swapMiB: 16 }, new AbortController().signal);
  await give('dead');
  await leases.release((await leases.list())[0]?.id ?? '');
  await expect(give('early')).rejects.toMatchObject({ type: 'ScratchFull' });
  const { reaped, left } = await reap(dependencies, environment.client);
  expect([reaped.length, left]).toEqual([2, []]);
  expect(await give('next')).toEqual(pairs[0]);
  await reap(dependencies, environment.client);
  expect(await leftOvers()).toEqual({ leases: [], scratch: [] });
});
