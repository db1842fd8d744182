import type { Command } from 'commander';
import { shortId } from '../../workflows/names.ts';
import { configurationOf, openContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { BuildCancelled } from '../failures.ts';

export function addCancelCommand(program: Command): void {
  const command = program
    .command('cancel')
    .summary('cancel a build')
    .description('Cancels a build and waits until everything of it is cleaned up.')
    .argument('<id>', 'a package (its newest build), package/digest, or 4 digits of the digest or more')
    .option('--no-wait', 'ask for it and return')
    .option('--force', 'terminate: the host cleans up when it finds the build gone')
    .option('--json', 'print how the build ended as JSON');
  command.action(async (text: string, options: { wait: boolean; force?: boolean; json?: boolean }) => {
    const context = await openContext(await configurationOf(command), 'temporal');
    const { slipway } = context;
    const id = await slipway.find(text);
    const { run } = await slipway.status(id);
    await slipway.cancel(id, { run, force: options.force ?? false });
    const say = async (line: string) => {
      if (!options.json) return console.log(line);
      const { state, failure } = await slipway.status(id, { run });
      console.log(JSON.stringify({ id, run, state, failure }, null, 2));
    };
    if (!options.wait) {
      await say(`asked to cancel ${shortId(id)}`);
      return;
    }
    const error = await slipway.wait(id, { run }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error !== undefined && !(error instanceof BuildCancelled)) throw error;
    await say(error === undefined ? `${shortId(id)} had ended before` : `cancelled ${shortId(id)}`);
    process.exitCode = EXIT.ok;
  });
}
