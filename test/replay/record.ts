import { readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import {
  createTestHost,
  requestFor,
  type TestHost,
  type TestHostOptions,
  testStore,
} from '../support/build-host.ts';
import { type BuildHandle, startBuild, statusWhere } from '../support/builds.ts';
import { startTemporal } from '../support/temporal.ts';
import { writeHistory } from './history-file.ts';

/**
 * Records the histories that the workflow code must go on to replay: `node test/replay/record.ts`, as root. Do so in
 * the change that alters the workflow, and only where no build of the old code is open anywhere.
 */
const FOLDER = fileURLToPath(new URL('./histories/', import.meta.url));

interface Case {
  name: string;
  scenario: TestHostOptions['scenario'];
  during?: (handle: BuildHandle, host: TestHost) => Promise<void>;
}

const CASES: readonly Case[] = [
  {
    name: 'succeeded',
    scenario: ({ phase }) => (phase === 'build' ? { files: { 'a.deb': { content: 'a package' } } } : {}),
  },
  {
    name: 'failed',
    scenario: ({ phase }) => (phase === 'build' ? { behaviour: 'failing-command', exitCode: 2 } : {}),
  },
  {
    name: 'cancelled',
    scenario: ({ phase }) => (phase === 'build' ? { milliseconds: 60_000 } : {}),
    during: async (handle) => {
      await statusWhere(handle, ({ phase }) => phase === 'build');
      await handle.cancel();
    },
  },
  {
    name: 'waited-for-a-host',
    scenario: {},
    during: async (handle, host) => {
      await statusWhere(handle, ({ waiting }) => waiting?.type === 'HostFull');
      await host.dependencies.leases.release('taken');
    },
  },
  { name: 'guest-crashed-twice', scenario: { behaviour: 'panic' } },
];

async function record(): Promise<void> {
  const workflowBundle = await bundleWorkflows();
  for (const name of await readdir(FOLDER)) await rm(`${FOLDER}${name}`);
  for (const one of CASES) {
    await using stack = new AsyncDisposableStack();
    const defer = stack.defer.bind(stack);
    const environment = await startTemporal();
    defer(() => environment.teardown());
    const store = await testStore(defer);
    const host = await createTestHost({
      defer,
      environment,
      workflowBundle,
      store,
      ...one,
      host: 'recorded',
    });
    if (one.name === 'waited-for-a-host') {
      const vm = { type: 'qemu', isolation: 'emulated' } as const;
      const of = { build: 'build/other/0', run: 'other', round: 1, vm, memoryMiB: 1 };
      await host.dependencies.leases.claim({ id: 'taken', ...of });
    }
    await host.start();
    const handle = await startBuild(environment.client, requestFor(one.name), defer);
    await one.during?.(handle, host);
    await handle.result().catch(() => undefined);
    const history = await handle.fetchHistory();
    writeHistory(`${FOLDER}${one.name}.json`, history);
    console.log(`${one.name}: ${history.events?.length} events`);
  }
}

await record();
