import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createBuildRoots } from '../../images/build-roots/kept-roots.ts';
import type { Resolver } from '../../repositories/resolver.ts';
import { packageName } from '../../schema/build-id.ts';
import type { LockedPackage } from '../../schema/lock.ts';
import type { Store } from '../../stores/store.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { createTestHost, fakeResolver, requestFor, testStore } from '../support/build-host.ts';
import { startBuild, statusWhere } from '../support/builds.ts';
import type { FakeScenario } from '../support/fake-vm.ts';
import { startTemporal } from '../support/temporal.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([startTemporal(), bundleWorkflows()]);
}, 120_000);
afterAll(() => environment?.teardown());

const GIB = 1024 ** 3;

/** One base for all; what depends on it is named after the package up to its first dash: `a-1` and `a-2` want the same. */
function layeredResolver(store: Store): Resolver {
  return {
    resolve: async (request, context) => {
      const lock = await fakeResolver(store).resolve(request, context);
      const [wants = ''] = packageName(request).split('-');
      return {
        ...lock,
        base: [await locked(store, 'base-files')],
        dependencies: [await locked(store, `lib${wants}-dev`)],
      };
    },
  };
}

async function locked(store: Store, name: string): Promise<LockedPackage> {
  const bytes = Buffer.from(`the package ${name}`);
  const file = { name: `${name}.deb`, urls: [], size: bytes.length, sha256: await store.putBytes(bytes) };
  return { ...file, package: name, version: '1', architecture: 'amd64' };
}

/** A host that keeps build roots; `boots` has the phase of each boot with how many commands it had. */
async function keepingHost(scenario: (phase: string, boot: number) => FakeScenario = () => ({}), builds = 1) {
  const store = await testStore();
  const boots: string[] = [];
  const host = await createTestHost({
    ...{ environment, workflowBundle, store, builds, resolver: layeredResolver(store) },
    scenario: ({ phase, commands }) => {
      const names = commands.map(({ title }) => title);
      boots.push(phase === 'build' ? phase : names.includes('a preinst script failed') ? 'base' : 'rest');
      return scenario(boots.at(-1) ?? '', boots.length);
    },
    buildRoots: (home, leases) =>
      createBuildRoots({
        ...{ directory: join(home, 'build-roots'), maxBytes: GIB, leastFreeBytes: 0 },
        leaseExists: async (id) => (await leases.get(id)) !== undefined,
        warn: (message) => expect.fail(message),
      }),
  });
  await host.start();
  return { host, boots };
}

const start = (name: string) => startBuild(environment.client, requestFor(name), onTestFinished);

test('a build root is installed once: the base for all, the rest for who wants the same', async () => {
  const { host, boots } = await keepingHost();
  const first = await (await start('a-1')).result();
  expect([first.outcome, first.keptRoot, boots.splice(0)]).toEqual([
    'succeeded',
    'nothing',
    ['base', 'rest', 'build'],
  ]);
  const again = await start('a-2');
  const same = await again.result();
  expect((await statusWhere(again, ({ state }) => state === 'succeeded')).keptRoot).toBe('whole');
  expect([same.outcome, same.keptRoot, boots.splice(0)]).toEqual(['succeeded', 'whole', ['build']]);
  expect(Object.keys(same.statistics.phaseSeconds)).not.toContain('preinstall');
  expect(same.statistics.install).toBeUndefined();
  const other = await (await start('b-1')).result();
  expect([other.outcome, other.keptRoot, boots.splice(0)]).toEqual(['succeeded', 'base', ['rest', 'build']]);
  expect(await host.leftOvers()).toEqual({ leases: [], scratch: [] });
});

test('two builds that want the same at once: one makes it, the other waits for it', async () => {
  const { host, boots } = await keepingHost((boot) => (boot === 'base' ? { milliseconds: 2000 } : {}), 2);
  const builds = await Promise.all([start('a-1'), start('a-2')]);
  const results = await Promise.all(builds.map((build) => build.result()));
  expect(results.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
  expect(results.map(({ keptRoot }) => keptRoot).sort()).toEqual(['nothing', 'whole']);
  expect(boots.sort()).toEqual(['base', 'build', 'build', 'rest']);
  expect(await host.leftOvers()).toEqual({ leases: [], scratch: [] });
});

test('who waits for a root that is not made after all makes it', async () => {
  const { boots } = await keepingHost((_, boot) => (boot === 1 ? { milliseconds: 600_000 } : {}), 2);
  const first = await start('a-1');
  await statusWhere(first, ({ phase }) => phase === 'install');
  const second = await start('a-2');
  await statusWhere(second, ({ phase }) => phase === 'image');
  await first.cancel();
  const result = await second.result();
  expect([result.outcome, result.keptRoot]).toEqual(['succeeded', 'nothing']);
  expect(boots).toEqual(['base', 'base', 'rest', 'build']);
});

test('an installation that fails leaves nothing that others would begin from', async () => {
  const broken: FakeScenario = { behaviour: 'failing-command', exitCode: 1 };
  const { boots } = await keepingHost((_, boot) => (boot === 2 ? broken : {}));
  const first = await (await start('a-1')).result();
  expect(first).toMatchObject({ outcome: 'failed', failure: { type: 'InstallFailed' }, keptRoot: 'nothing' });
  const second = await (await start('a-2')).result();
  expect([second.outcome, second.keptRoot]).toEqual(['succeeded', 'base']);
  expect(boots).toEqual(['base', 'rest', 'rest', 'build']);
});
