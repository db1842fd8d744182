import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { bootTime } from '../../host/boot-time.ts';
import { createScratch } from '../../host/scratch.ts';
import { reap } from '../../workers/janitor.ts';
import { BUILD_WORKFLOW, LEASE_MEMO } from '../../workflows/names.ts';
import { createTestHost, testStore } from '../support/build-host.ts';
import { fakeBoot } from '../support/fake-boot.ts';
import { startTemporal } from '../support/temporal.ts';
import { processesOf } from '../support/vm-processes.ts';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startTemporal();
});
afterAll(() => environment?.teardown());

/** A place that is taken as by a build, with a VM that runs. */
interface Taken {
  id: string;
  /** Its file on the disk. */
  file: string;
  folder: string;
  handle: WorkflowHandle;
}

/** A host on which no worker polls. */
async function hostWithLeases() {
  const host = await createTestHost({
    ...{ defer: onTestFinished, environment, store: await testStore(onTestFinished) },
    ...{ workflowBundle: { code: '' }, scenario: { behaviour: 'long' }, builds: 9 },
  });
  const { leases, directories, vms, host: name } = host.dependencies;
  return {
    ...host,
    /** `memo`: which lease the open run of the build names, by that of this round. Default: this one. */
    take: async (memo: (id: string) => string | undefined = (id) => id): Promise<Taken> => {
      const id = `${name}-${randomUUID()}-2-1`;
      const build = `build/janitor/${id}`;
      const handle = await environment.client.workflow.start(BUILD_WORKFLOW, {
        ...{ workflowId: build, taskQueue: 'nobody-polls', args: [] },
        memo: { [LEASE_MEMO]: memo(id) },
      });
      onTestFinished(async () => {
        if ((await handle.describe()).status.name === 'RUNNING') await handle.terminate();
      });
      await leases.claim({
        ...{ id, build, run: handle.firstExecutionRunId, round: 2, memoryMiB: 16 },
        vm: { type: 'qemu', isolation: 'emulated' },
      });
      const { folder, vm } = await createScratch(directories.scratch, id);
      await vms.get('qemu')?.start(vm('build'), await fakeBoot(folder), bootTime() + 600);
      return { id, file: join(dirname(directories.scratch), 'leases', `${id}.json`), folder, handle };
    },
  };
}

async function change(file: string, more: object): Promise<void> {
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...more }));
}

/** What of a place is there: its lease, its scratch, its VM. */
async function rest({ file, folder }: Taken) {
  return [existsSync(file), existsSync(folder), (await processesOf(folder)).length > 0];
}
const ALL = [true, true, true];
const NOTHING = [false, false, false];

const NEXT_ROUND = (id: string) => id.replace(/-2-1$/, '-3-1');
const ROUND_BEFORE = (id: string) => id.replace(/-2-1$/, '-1-1');
const NONE = () => undefined;

test.each<[string, ((id: string) => string | undefined) | undefined, (taken: Taken) => Promise<unknown>]>([
  ['whose build is closed', undefined, ({ handle }) => handle.terminate()],
  ['whose build has gone on elsewhere', NEXT_ROUND, async () => undefined],
  ['of another boot of the host', undefined, ({ file }) => change(file, { bootId: 'of-another-boot' })],
  ['that cannot be read', undefined, ({ file }) => writeFile(file, '{"version":1,')],
  ['that is gone, but for its scratch', undefined, ({ file }) => rm(file)],
  [
    'that its build has not named for long',
    NONE,
    ({ file }) => change(file, { claimedAt: new Date(Date.now() - 601_000).toISOString() }),
  ],
])('a lease %s loses VM, scratch and place; that of an open build keeps them', async (_, memo, happens) => {
  const { take, dependencies } = await hostWithLeases();
  const [dead, open] = [await take(memo), await take()];
  expect(await rest(dead)).toEqual(ALL);
  await happens(dead);
  expect(await reap(dependencies, environment.client)).toEqual({ reaped: [dead.id], left: [] });
  expect(await rest(dead)).toEqual(NOTHING);
  expect(await rest(open)).toEqual(ALL);
  // Once more is nothing.
  expect(await reap(dependencies, environment.client)).toEqual({ reaped: [], left: [] });
});

test.each([
  ['none yet', NONE],
  ['only that of the round before', ROUND_BEFORE],
])('a lease is kept while its open build names %s', async (_, memo) => {
  const { take, dependencies } = await hostWithLeases();
  const taken = await take(memo);
  expect(await reap(dependencies, environment.client)).toEqual({ reaped: [], left: [] });
  expect(await rest(taken)).toEqual(ALL);
});

test.each([
  ['refuses connections', false],
  ['takes them and says nothing', true],
])('where Temporal %s all leases are left, with the reason', async (_, listens) => {
  const { take, dependencies } = await hostWithLeases();
  // Three seconds each, were they judged one after the other.
  const taken = await Promise.all(Array.from({ length: 6 }, () => take()));
  await taken[0]?.handle.terminate();
  const started = performance.now();
  const { reaped, left } = await reap(dependencies, await clientOfNobody(listens));
  expect(performance.now() - started).toBeLessThan(15_000);
  expect(reaped).toEqual([]);
  expect(left.map(({ id }) => id).sort()).toEqual(taken.map(({ id }) => id).sort());
  for (const { reason } of left) expect(reason).toMatch(/./);
  for (const each of taken) expect(await rest(each)).toEqual(ALL);
});

/** A client of an address where no Temporal answers. */
async function clientOfNobody(listens: boolean): Promise<Client> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  if (listens) onTestFinished(close);
  else await close();
  // Not closed: a retry of the SDK that waits for its turn would throw out of a timer.
  const connection = Connection.lazy({ address: `127.0.0.1:${port}` });
  return new Client({ connection });
}
