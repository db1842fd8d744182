import { Command, CommanderError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { addArtifactsCommand } from './commands/artifacts.ts';
import { addBuildCommand } from './commands/build.ts';
import { addCancelCommand } from './commands/cancel.ts';
import { addCompareCommand } from './commands/compare.ts';
import { addDevCommand } from './commands/dev.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addGcCommand } from './commands/gc.ts';
import { addLogsCommand } from './commands/logs.ts';
import { addPublishCommand } from './commands/publish.ts';
import { addRebuildCommand } from './commands/rebuild.ts';
import { addSchemaCommand } from './commands/schema.ts';
import { addStatusCommand } from './commands/status.ts';
import { addWorkerCommand } from './commands/worker.ts';
import { EXIT, EXIT_CODES_HELP, exitCodeOf } from './exit-codes.ts';
import { explain } from './explain.ts';

function slipway(): Command {
  const program = new Command('slipway')
    .description('Builds packages from scratch, each in a throwaway VM, durably through Temporal.')
    .version(packageJson.version)
    .option('--config <file>', 'configuration (default: SLIPWAY_CONFIG, else slipway.yaml in the home)')
    .addHelpText(
      'after',
      `\n${EXIT_CODES_HELP}\n\nTemporal is found through TEMPORAL_ADDRESS and its other standard settings.`,
    )
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/\n*$/, '\nTo do: see --help.\n')) });
  addDevCommand(program);
  addBuildCommand(program);
  addStatusCommand(program);
  addLogsCommand(program);
  addCancelCommand(program);
  addArtifactsCommand(program);
  addRebuildCommand(program);
  addCompareCommand(program);
  addPublishCommand(program);
  addGcCommand(program);
  addDoctorCommand(program);
  addWorkerCommand(program);
  addSchemaCommand(program);
  return program;
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    await slipway().parseAsync(argv);
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    // Commander has said it already; help that was asked for is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    console.error(explain(error));
    return exitCodeOf(error);
  }
}

// A reader that has seen enough (`| head`) ends the program without a word.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

// Open connections would keep it running.
process.exit(await main(process.argv));
