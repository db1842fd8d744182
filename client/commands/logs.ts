import { once } from 'node:events';
import type { Command } from 'commander';
import { configurationOf, openContext } from '../context.ts';
import { Outage } from '../outage.ts';
import { printable } from '../printable.ts';

export function addLogsCommand(program: Command): void {
  const command = program
    .command('logs')
    .summary('the log of a build')
    .description('Prints the log of a build, the live one while it runs.')
    .argument('<id>', 'a package (its newest build), package/digest, or 4 digits of the digest or more')
    .option('-f, --follow', 'go on until the build has ended');
  command.action(async (text: string, options: { follow?: boolean }) => {
    const context = await openContext(await configurationOf(command), 'store');
    const id = await context.slipway.find(text);
    const decoder = new TextDecoder();
    const outage = new Outage(context.temporal.address, console.error);
    const onTemporal = (answers: boolean) => outage.heard(answers);
    for await (const bytes of context.slipway.log(id, { follow: options.follow ?? false, onTemporal })) {
      // A terminal obeys what it is shown; a file gets the very bytes.
      const shown = process.stdout.isTTY ? printable(decoder.decode(bytes, { stream: true })) : bytes;
      if (!process.stdout.write(shown)) await once(process.stdout, 'drain');
    }
  });
}
