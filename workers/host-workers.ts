import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  type NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundle,
} from '@temporalio/worker';
import { createActivities } from '../activities/activities.ts';
import type { Activities } from '../activities/contract.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import type { Presence } from '../activities/presence.ts';
import type { Leases } from '../host/leases.ts';
import type { Vm } from '../vm/vm.ts';
import { COMMON_QUEUE, hostQueue } from '../workflows/names.ts';
import { ClaimSlots } from './claim-slots.ts';
import { keepClean, type Reaped, reap } from './janitor.ts';
import { keepPresent } from './presence.ts';
import { demandQueues } from './queues.ts';

export interface HostWorkersOptions {
  connection: NativeConnection;
  namespace: string;
  dependencies: Dependencies;
  /** Beside the VM types. */
  offer: { memoryMiB: number };
  /** Builds at the same time: bounds what runs on the host's own queue. */
  builds: number;
  /** How long short steps may go on once told to shut down, seconds. Default 0: the next worker repeats them. */
  drainSeconds?: number;
  /** Workflow code from `bundleWorkflows`; bundled here where absent. */
  workflowBundle?: WorkflowBundle;
  /** Hears what the janitor did. */
  onReaped?: (pass: Reaped) => void;
}

/** What polls for one host. */
export interface HostWorkers {
  /** All that is polled. */
  readonly queues: readonly string[];
  /** Cleans up, then polls. Resolves once shut down and drained; VMs go on and wait for the next worker. */
  run(): Promise<void>;
  /** Idempotent. */
  shutdown(): void;
}

/** The workflow code as one bundle, for several workers. */
export function bundleWorkflows(): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/build.ts', import.meta.url)),
    logger: new DefaultLogger('WARN'),
  });
}

/** Steps that a build has on the host at once, compensations of another among them. */
const STEPS_PER_BUILD = 4;

/**
 * Workflows kept in memory. Those that run here are to stay; the thousands that wait for a place wake up a few times an
 * hour, and what they have done until then is done over in milliseconds.
 */
const CACHED_WORKFLOWS = 200;
const CACHED_PER_BUILD = 4;

export async function createHostWorkers(options: HostWorkersOptions): Promise<HostWorkers> {
  const { connection, namespace, offer, builds, drainSeconds = 0 } = options;
  const { slots, leases } = claimSlots(options);
  const dependencies = { ...options.dependencies, leases };
  const activities = createActivities(dependencies);
  const { resolveInputs, explainWait, publishResult, claimHost, ...onHost } = activities;
  const drain = { shutdownGraceTime: drainSeconds * 1000, shutdownForceTime: (drainSeconds + 60) * 1000 };
  const common: WorkerOptions = {
    taskQueue: COMMON_QUEUE,
    workflowBundle: options.workflowBundle ?? (await bundleWorkflows()),
    activities: { resolveInputs, explainWait, publishResult },
    maxConcurrentActivityTaskExecutions: 10,
    maxCachedWorkflows: CACHED_WORKFLOWS + CACHED_PER_BUILD * builds,
  };
  const own: WorkerOptions = {
    taskQueue: hostQueue(dependencies.host),
    activities: onHost,
    maxConcurrentActivityTaskExecutions: STEPS_PER_BUILD * builds,
  };
  const demands = demandQueues({ ...offer, vms: dependencies.vms.values() }).map((taskQueue) =>
    claimWorker(taskQueue, claimHost, slots),
  );
  const workers = await Promise.all(
    [common, own, ...demands].map((one) =>
      // A cancel comes back with a heartbeat: it must not wait for 0.8 of the heartbeat time-out.
      Worker.create({ connection, namespace, maxHeartbeatThrottleInterval: '2s', ...drain, ...one }),
    ),
  );
  const client = new Client({ connection, namespace });
  const tell = options.onReaped ?? (() => undefined);
  const vms = [...dependencies.vms.values()];
  const presence = { host: dependencies.host, memoryMiB: offer.memoryMiB, vms: vms.map(offered) };
  const besides = (signal: AbortSignal) => [
    keepClean(dependencies, client, tell, signal),
    keepPresent(client, presence, signal),
  ];
  return together(workers, async () => tell(await reap(dependencies, client)), besides);
}

function offered({ type, isolation, architectures }: Vm): Presence['vms'][number] {
  return { type, isolation, architectures };
}

/** Slots that know of each place that is given back by this process, and the leases that tell them. */
function claimSlots({ dependencies: { leases }, builds }: HostWorkersOptions): {
  slots: ClaimSlots;
  leases: Leases;
} {
  const slots = new ClaimSlots({ places: builds, taken: () => leases.taken() });
  const release: Leases['release'] = async (id) => {
    await leases.release(id);
    slots.wake();
  };
  return { slots, leases: { ...leases, release } };
}

/** Polls one demand queue while there may be a place. */
function claimWorker(
  taskQueue: string,
  claimHost: Activities['claimHost'],
  slots: ClaimSlots,
): WorkerOptions {
  const one = { type: 'fixed-size', numSlots: 1 } as const;
  const claim: typeof claimHost = async (...args) => {
    try {
      return await claimHost(...args);
    } catch (error) {
      slots.refused(taskQueue);
      throw error;
    }
  };
  return {
    taskQueue,
    activities: { claimHost: claim },
    maxConcurrentActivityTaskPolls: 1,
    tuner: {
      activityTaskSlotSupplier: slots.supplier(taskQueue),
      // Nothing else comes to this queue.
      workflowTaskSlotSupplier: one,
      localActivityTaskSlotSupplier: one,
      nexusTaskSlotSupplier: one,
    },
  };
}

/** Workers, and what goes on beside them, that run and end as one: where one fails, all are shut down. */
function together(
  workers: readonly Worker[],
  before: () => Promise<void>,
  besides: (signal: AbortSignal) => readonly Promise<void>[],
): HostWorkers {
  const stopped = new AbortController();
  const shutdown = () => {
    stopped.abort();
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const orShutdown = (ending: Promise<void>) =>
    ending.catch((error: unknown) => {
      shutdown();
      throw error;
    });
  return {
    queues: workers.map(({ options }) => options.taskQueue),
    shutdown,
    run: async () => {
      await before();
      const beside = Promise.allSettled(besides(stopped.signal).map(orShutdown));
      const runs = workers.map((worker) => orShutdown(worker.run()));
      // Told so before it polled: a worker lets go of its connection only after it ran.
      if (stopped.signal.aborted) shutdown();
      const polled = await Promise.allSettled(runs);
      // The SDK shuts its workers down by itself where the process gets a signal.
      stopped.abort();
      const ends = [...polled, ...(await beside)];
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  };
}
