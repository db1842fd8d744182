import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';

/** A worker of workflows with nothing in them, set up as a host's worker: `node ceiling-worker.ts <JSON>`. */
const of = JSON.parse(process.argv[2] ?? '') as { address: string; capacity: number };
Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
const connection = await NativeConnection.connect({ address: of.address });
const worker = await Worker.create({
  connection,
  taskQueue: 'ceiling',
  workflowsPath: fileURLToPath(new URL('./ceiling-workflow.ts', import.meta.url)),
  activities: { nothing: async () => undefined },
});
const running = worker.run();
process.on('SIGINT', () => undefined);
process.once('disconnect', async () => {
  worker.shutdown();
  await running;
  await connection.close();
  process.exit(0);
});
process.send?.('ready');
