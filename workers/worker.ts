import {
  DefaultLogger,
  type LogEntry,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
} from '@temporalio/worker';
import type { VmType } from '../schema/request.ts';
import { tryStore } from '../stores/try-store.ts';
import { compose } from './compose.ts';
import type { Configuration } from './configuration.ts';
import { createHostWorkers } from './host-workers.ts';
import type { Reaped } from './janitor.ts';
import { logLine } from './log-line.ts';
import { probeHost, provenVms } from './proven-vms.ts';
import type { TemporalAddress } from './temporal-address.ts';

/** How long short steps may go on once told to stop, seconds. */
const DRAIN = 5;

/** The worker of this host, running. Disposing of it lets it end; its VMs wait for the next worker of the host. */
export interface RunningWorker extends AsyncDisposable {
  /** Proven here, best first. */
  vmTypes: readonly VmType[];
  /** Settles when it has ended; rejects where it ended by itself with an error. */
  ended: Promise<void>;
}

/**
 * Proves what the host offers, cleans up what belongs to no open build and polls. Says a line for each thing that an
 * operator wants to know.
 * @throws SlipwayFailure StoreUnavailable; HostUnfit where no VM type works here
 */
export async function startWorker(
  configuration: Configuration,
  temporal: TemporalAddress,
  say: (line: string) => void,
): Promise<RunningWorker> {
  await using stack = new AsyncDisposableStack();
  const composition = await compose(configuration);
  stack.defer(() => composition.close());
  // Without it each build would fail here, again and again, where others could take it.
  await tryStore(composition.store);
  installLogger(say);
  const signal = new AbortController().signal;
  const probes = await probeHost(configuration, composition, { signal });
  for (const { type, architecture, works, reason } of probes)
    say(`vm type ${type}, ${architecture}: ${works ? '' : 'not offered: '}${reason}`);
  const vms = provenVms(configuration, probes);
  const connection = await NativeConnection.connect(temporal.connection);
  stack.defer(() => connection.close());
  const { builds, memoryMiB } = configuration.capacity;
  const workers = await createHostWorkers({
    connection,
    namespace: temporal.namespace,
    dependencies: composition.dependencies(vms),
    offer: { memoryMiB },
    builds,
    drainSeconds: DRAIN,
    onReaped: (pass) => sayReaped(pass, say),
  });
  const ended = workers.run();
  // Whoever waits for it hears why it ended; who only stops it need not.
  const quietly = ended.catch(() => undefined);
  stack.defer(async () => {
    workers.shutdown();
    await quietly;
  });
  say(
    `host ${configuration.host} takes ${builds} ${builds === 1 ? 'build' : 'builds'}, ${memoryMiB} MiB of memory for guests`,
  );
  const owned = stack.move();
  return { vmTypes: vms.map(({ type }) => type), ended, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function sayReaped({ reaped, left }: Reaped, say: (line: string) => void): void {
  for (const id of reaped) say(`cleaned up ${id}, which belongs to no open build`);
  for (const { id, reason } of left) say(`left ${id} for now: ${reason}`);
}

/** The SDK's own lines, from warnings up; its runtime is one for the whole process. */
function installLogger(say: (line: string) => void): void {
  const logger = new DefaultLogger('WARN', (entry: LogEntry) => {
    const line = logLine(entry);
    if (line !== undefined) say(line);
  });
  // Signals are the program's: it decides whether a build is cancelled or left.
  // The native part repeats its warnings many times a second while Temporal is away; the workers' own say it once.
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  Runtime.install({ logger, shutdownSignals: [], telemetryOptions: { logging: { forward: {}, filter } } });
}
