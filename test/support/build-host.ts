import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection, type WorkflowBundle } from '@temporalio/worker';
import type { Dependencies, Guests } from '../../activities/dependencies.ts';

import { type Leases, openLeases } from '../../host/leases.ts';
import { BOOTS, scratchFolder } from '../../host/scratch.ts';
import { type BuildRoots, noBuildRoots } from '../../images/build-roots/build-roots.ts';
import { diskFiles } from '../../images/disk-places.ts';
import { filesystems } from '../../images/filesystems.ts';
import { recipes } from '../../recipes/index.ts';
import { createInputCache } from '../../repositories/cache.ts';
import type { Resolver } from '../../repositories/resolver.ts';
import { packageName } from '../../schema/build-id.ts';
import type { BuildRequestInput } from '../../schema/request.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import type { Store } from '../../stores/store.ts';
import { createHostWorkers } from '../../workers/host-workers.ts';
import { hostQueue } from '../../workflows/names.ts';
import { createFakeVm, type FakeVmOptions } from './fake-vm.ts';

/** Registers what is to be done at the end, last in first out: vitest's `onTestFinished`, or a script's own. */
export type Defer = (cleanUp: () => Promise<void>) => void;

export interface TestHostOptions {
  /** Default: vitest's, which exists only in a test. */
  defer?: Defer;
  environment: Pick<TestWorkflowEnvironment, 'address' | 'namespace'>;
  workflowBundle: WorkflowBundle;
  store: Store;
  /** What its guests do. */
  scenario: FakeVmOptions['scenario'];
  /** Default: a name that no other test has. */
  host?: string;
  /** Folder of all that lies on the host, for several processes of one host. Default: one that is deleted at the end. */
  home?: string;
  builds?: number;
  /** Of all guests together. Default 4096. */
  memoryMiB?: number;
  graceSeconds?: number;
  isolation?: NonNullable<FakeVmOptions['isolation']>;
  resolver?: Resolver;
  /** Default: none are kept. */
  buildRoots?: (home: string, leases: Leases) => BuildRoots;
  /** As `store.keepInputs` of the configuration. */
  keepInputs?: boolean;
}

/** A build host as it is, but for its guests, which are fakes under the real supervisor, and the resolver. */
export interface TestHost {
  dependencies: Dependencies;
  /** Starts a worker; its own end is `stop()`, which leaves VMs as a restart does. */
  start(): Promise<{ stop: () => Promise<void> }>;
  /** What lies on the host: nothing, when it is clean. */
  leftOvers(): Promise<{ leases: string[]; scratch: string[] }>;
}

/** An empty store that is deleted with its folder when the test has ended. */
export async function testStore(defer?: Defer): Promise<Store> {
  return createDirectoryStore({ directory: await folder(defer ?? (await testDefer())) });
}

async function testDefer(): Promise<Defer> {
  return (await import('vitest')).onTestFinished;
}

let hosts = 0;

export async function createTestHost(options: TestHostOptions): Promise<TestHost> {
  const { store, environment, host = `host-${++hosts}`, builds = 1, memoryMiB = 4096 } = options;
  const defer = options.defer ?? (await testDefer());
  const home = options.home ?? (await folder(defer));
  const scratch = join(home, 'scratch');
  await mkdir(scratch, { recursive: true });
  const vm = createFakeVm({
    scenario: options.scenario,
    ...(options.isolation === undefined ? {} : { isolation: options.isolation }),
  });
  const leases = await openLeases({
    directory: join(home, 'leases'),
    host,
    queue: hostQueue(host),
    capacity: { builds, memoryMiB },
  });
  const dependencies: Dependencies = {
    host,
    graceSeconds: options.graceSeconds ?? 5,
    directories: { scratch },
    ceilings: CEILINGS,
    store,
    resolver: options.resolver ?? fakeResolver(store),
    recipes,
    inputs: createInputCache({
      directory: join(home, 'cache'),
      store,
      ...(options.keepInputs === undefined ? {} : { keep: options.keepInputs }),
    }),
    vms: new Map([[vm.type, vm]]),
    filesystems: { default: 'ext4', byName: filesystems },
    disks: diskFiles,
    buildRoots: options.buildRoots?.(home, leases) ?? noBuildRoots,
    guests: fakeGuests,
    leases,
  };
  // One for each host: the SDK refuses two workers of one connection on one queue.
  const connection = await NativeConnection.connect({ address: environment.address });
  const stops: (() => Promise<void>)[] = [];
  defer(async () => {
    for (const stop of stops) await stop();
    await connection.close();
    for (const id of await readdir(scratch)) {
      for (const boot of BOOTS) await vm.kill(scratchFolder(scratch, id).vm(boot));
    }
  });
  return {
    dependencies,
    start: async () => {
      const workers = await createHostWorkers({
        connection,
        namespace: environment.namespace ?? 'default',
        dependencies,
        offer: { memoryMiB },
        builds,
        workflowBundle: options.workflowBundle,
      });
      const running = workers.run();
      const stop = async () => {
        workers.shutdown();
        await running;
      };
      stops.push(stop);
      return { stop };
    },
    leftOvers: async () => ({
      leases: (await leases.list()).map(({ id }) => id),
      scratch: await readdir(scratch),
    }),
  };
}

const CEILINGS = {
  cpus: 4,
  diskMiB: 4096,
  swapMiB: 1024,
  totalSeconds: 604_800,
  logMiB: 1024,
  artifactsMiB: 4096,
};

/** A small request of its own for each name. */
export function requestFor(name: string, more: Partial<BuildRequestInput> = {}): BuildRequestInput {
  return {
    recipe: { kind: 'debian', source: { name } },
    resources: { cpus: 1, memoryMiB: 256, diskMiB: 32, swapMiB: 16 },
    ...more,
  };
}

/** Locks one source file and one kernel, both blobs of the store. */
export function fakeResolver(store: Store): Resolver {
  return {
    resolve: async (request) => {
      const name = packageName(request);
      const dsc = await blob(store, `${name}_1.0-1.dsc`, `the source of ${name}`);
      const kernel = await blob(store, 'kernel.deb', 'a kernel');
      return {
        version: 1,
        architecture: 'amd64',
        source: { name, version: '1.0-1', dsc: dsc.name, files: [dsc] },
        base: [],
        dependencies: [],
        kernel: { ...kernel, package: 'linux-image', version: '6.1', architecture: 'amd64' },
        repositories: [],
      };
    },
  };
}

async function blob(store: Store, name: string, text: string) {
  const bytes = Buffer.from(text);
  return { name, urls: [], size: bytes.length, sha256: await store.putBytes(bytes) };
}

/** A build root of one file; a fake guest needs no kernel. */
const fakeGuests: Guests = {
  fillTree: async ({ tree, packages }) => writeFile(join(tree, 'packages'), `${packages.length}\n`),
  kernelParts: () => ['guest'],
  code: async () => 'c'.repeat(64),
  handIn: async (_scratch, _swap, { folder }) => ({ folder, bytes: 4096 }),
  prepareKernel: async () => ({
    ...{ from: 'package', release: '6.1' },
    ...{ image: 'a'.repeat(64), initramfs: 'b'.repeat(64) },
  }),
  writeInitramfs: async () => undefined,
};

async function folder(defer: Defer): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'slipway-host-'));
  defer(() => rm(path, { recursive: true, force: true }));
  return path;
}
