import type { Command } from 'commander';
import type { Configuration } from '../../workers/configuration.ts';
import { configurationOf } from '../context.ts';
import type { Finding } from '../doctor/check.ts';
import { checkHost } from '../doctor/host.ts';
import { checkDevices, checkHugePages } from '../doctor/operator.ts';
import { checkPrograms } from '../doctor/programs.ts';
import { checkServices } from '../doctor/services.ts';
import { EXIT } from '../exit-codes.ts';
import { printable } from '../printable.ts';

const SIGNS = { ok: '✓', warning: '!', failed: '✗' } as const;

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .summary('check whether this host can build')
    .description(
      'Checks what a worker needs here; each VM type by really booting a guest. Exits with 3 where a check failed.',
    )
    .option('--json', 'as JSON');
  command.action(async (options: { json?: boolean }) => {
    const configuration = await configurationOf(command);
    const { checkVms } = await import('../doctor/vms.ts');
    const findings: Finding[] = [];
    const vms = (of: Configuration) => {
      if (!options.json)
        console.log(`… booting a guest with each VM type, up to ${of.vm.probeSeconds} s each`);
      return checkVms(of);
    };
    for (const check of [checkHost, checkPrograms, checkDevices, checkHugePages, checkServices, vms]) {
      const found = await check(configuration);
      findings.push(...found);
      if (!options.json) for (const finding of found) console.log(printable(textOf(finding)));
    }
    const bad = findings.filter(({ state }) => state === 'failed');
    if (options.json) console.log(JSON.stringify(findings, null, 2));
    else console.log(bad.length === 0 ? 'This host can build.' : `${bad.length} checks failed.`);
    process.exitCode = bad.length === 0 ? EXIT.ok : EXIT.infrastructure;
  });
}

function textOf({ name, state, what, advice }: Finding): string {
  return `${SIGNS[state]} ${name.padEnd(20)} ${what}${advice === undefined ? '' : `\n  ${' '.repeat(20)} To do: ${advice}`}`;
}
