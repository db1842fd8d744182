import { readFileSync } from 'node:fs';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { createDirectoryStore } from '../../stores/directory.ts';
import { createTestHost, type Defer } from '../../test/support/build-host.ts';
import { createInstantVm } from './instant-vm.ts';
import { BUILD_MEMORY_MIB, type LoadWorker } from './options.ts';

/** The one worker of a load test, a process of its own: `node worker.ts <JSON>`; ends when its parent lets go of it. */
const of = JSON.parse(process.argv[2] ?? '') as LoadWorker;
Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
const undo: Parameters<Defer>[0][] = [];
const host = await createTestHost({
  defer: (one) => undo.unshift(one),
  environment: { address: of.address, namespace: 'default' },
  workflowBundle: { code: readFileSync(of.workflows, 'utf8') },
  store: await createDirectoryStore({ directory: of.store }),
  ...{ home: of.home, host: 'load', graceSeconds: 180 },
  ...{ builds: of.capacity, memoryMiB: of.capacity * BUILD_MEMORY_MIB },
  scenario: ({ phase }) => (phase === 'build' ? { files: { 'result.deb': { content: 'a' } } } : {}),
});
if (of.guest === 'instant') {
  const vm = createInstantVm();
  host.dependencies.vms = new Map([[vm.type, vm]]);
}
await host.start();
// A Ctrl-C is the parent's to answer.
process.on('SIGINT', () => undefined);
process.once('disconnect', async () => {
  for (const one of undo) await one();
  process.exit(0);
});
process.send?.('ready');
