import type { Command } from 'commander';
import { temporalAddress } from '../../workers/temporal-address.ts';
import { configurationOf } from '../context.ts';
import { untilStopped } from './dev.ts';

export function addWorkerCommand(program: Command): void {
  const command = program
    .command('worker')
    .summary('offer this host to a farm')
    .description(
      'Runs a worker for the Temporal server of TEMPORAL_ADDRESS (or its configuration file). SIGTERM lets it stop:\nVMs go on and the next worker of this host finds them.',
    );
  command.action(async () => {
    const configuration = await configurationOf(command);
    const temporal = await temporalAddress(configuration.directories.state, configuration.temporal.webUrl);
    const { startLocalWorker } = await import('../local-farm.ts');
    await using worker = await startLocalWorker(configuration, temporal, console.log);
    await untilStopped(worker.ended);
    console.log('stopping');
  });
}
