import type { Command } from 'commander';
import { configurationOf } from '../context.ts';

export function addDevCommand(program: Command): void {
  const command = program
    .command('dev')
    .summary('a whole farm on this machine')
    .description(
      'Runs a worker, and a Temporal development server with its Web UI unless one is configured\n(TEMPORAL_ADDRESS) or one of this home runs already. Ctrl-C stops what it started; builds that run\nthen go on when it is started again.',
    );
  command.action(async () => {
    const configuration = await configurationOf(command);
    const { startLocalFarm } = await import('../local-farm.ts');
    await using farm = await startLocalFarm(configuration, console.log);
    console.log('Build something in another terminal: slipway build hello');
    console.log('Ctrl-C stops it.');
    await untilStopped(farm.ended);
    console.log('stopping');
  });
}

/** Until a signal tells to stop, or what runs ends by itself. @throws what it ended with */
export async function untilStopped(ended: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve);
  await Promise.race([promise, ended]);
}
