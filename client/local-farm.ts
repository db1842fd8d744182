import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayFailure } from '../schema/failures.ts';
import type { VmType } from '../schema/request.ts';
import type { Configuration } from '../workers/configuration.ts';
import { type TemporalAddress, temporalAddress } from '../workers/temporal-address.ts';
import { isThere, startTemporalServer } from '../workers/temporal-server.ts';
import { startWorker } from '../workers/worker.ts';
import { TemporalUnavailable, whyUnavailable } from './failures.ts';

/** A probe that was made before is quick. */
const PATIENCE_MILLISECONDS = 5000;
const END_MILLISECONDS = 15_000;

type Say = (line: string) => void;

/** A worker in this process. Disposing of it lets it end; VMs go on and wait for the next worker of this host. */
export interface LocalWorker extends AsyncDisposable {
  /** Proven here, best first. */
  vmTypes: readonly VmType[];
  /** Rejects where the worker ends by itself. */
  ended: Promise<void>;
}

/** @throws TemporalUnavailable; SlipwayFailure StoreUnavailable, HostUnfit where it is not root, or no VM type works here */
export async function startLocalWorker(
  configuration: Configuration,
  temporal: TemporalAddress,
  say: Say,
): Promise<LocalWorker> {
  checkRoot();
  if (!(await isThere(temporal, 10_000)))
    throw await whyUnavailable(temporal, configuration.directories.state);
  const seconds = configuration.vm.probeSeconds;
  const patience = setTimeout(() => {
    say(`finding out which VM types work here, up to ${seconds} s each, once after each boot of the host`);
  }, PATIENCE_MILLISECONDS);
  try {
    return await startWorker(configuration, temporal, say);
  } finally {
    clearTimeout(patience);
  }
}

/** A worker, and a Temporal server where none was configured or ran already. Disposing of it stops what it started. */
export interface LocalFarm extends AsyncDisposable {
  vmTypes: readonly VmType[];
  ended: Promise<void>;
}

/**
 * Joins the server that is configured, or this home's own that runs; else starts its own, never joining a server of
 * another farm that happens to be at the usual place.
 * @throws as `startLocalWorker`; SlipwayFailure HostUnfit where there is no Temporal server to start
 */
export async function startLocalFarm(given: Configuration, say: Say): Promise<LocalFarm> {
  const configuration = withContainers(given);
  const { state } = configuration.directories;
  checkRoot();
  await using stack = new AsyncDisposableStack();
  const known = await addressToJoin(state);
  const joins = known.from === 'environment' || known.from === 'dev';
  // A second server on the same database would not do.
  if (joins && !(await isThere(known))) throw await whyUnavailable(known, state);
  const server = joins ? undefined : await startTemporalServer(state);
  if (server !== undefined) stack.defer(() => server.stop());
  const temporal = await temporalAddress(state, configuration.temporal.webUrl);
  say(`temporal ${temporal.address}${server === undefined ? ' (was running)' : `, log ${server.logFile}`}`);
  if (temporal.webUrl !== undefined) say(`web ui ${temporal.webUrl}`);
  const worker = stack.use(await startLocalWorker(configuration, temporal, say));
  const serverEnded = server?.ended.then(() => {
    throw new TemporalUnavailable(`The Temporal server ended; its log is ${server.logFile}.`);
  });
  const ended = Promise.race([worker.ended, ...(serverEnded === undefined ? [] : [serverEnded])]);
  // Whoever waits for it hears it; a program that only stops does not.
  ended.catch(() => undefined);
  const owned = stack.move();
  return { vmTypes: worker.vmTypes, ended, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * A person's own machine offers containers too, to the requests that accept them: after hardware virtualization, which
 * is as fast and stronger, and before emulation, which is far slower.
 */
export function withContainers(configuration: Configuration): Configuration {
  const { vm } = configuration;
  if (vm.types.includes('container')) return configuration;
  const slow = vm.types.indexOf('qemu');
  const at = slow === -1 ? vm.types.length : slow;
  const types = [...vm.types.slice(0, at), 'container' as const, ...vm.types.slice(at)];
  return { ...configuration, vm: { ...vm, types } };
}

/** Where Temporal is; waits for a server of this home that is ending, after a kill of what had started it. */
async function addressToJoin(state: string): Promise<TemporalAddress> {
  const deadline = performance.now() + END_MILLISECONDS;
  for (;;) {
    const temporal = await temporalAddress(state);
    if (temporal.from !== 'dev' || performance.now() > deadline || (await isThere(temporal))) return temporal;
    await sleep(200);
  }
}

/** @throws SlipwayFailure HostUnfit */
function checkRoot(): void {
  const uid = process.getuid?.();
  if (uid !== 0) {
    throw new SlipwayFailure('HostUnfit', `A worker must run as root; this is uid ${uid}.`, {
      advice: 'Start it with sudo. Clients need no root: with a worker elsewhere, leave --local out.',
    });
  }
}
