import { join } from 'node:path';
import { quote } from '../host/run.ts';
import { isOutcome, SlipwayFailure } from '../schema/failures.ts';
import { type GuestSpec, VM_FILES, type VmEnd, type VmStatus } from '../vm/vm.ts';
import type { VmOutcome } from './contract.ts';
import { lastLines } from './log-copier.ts';

/** Characters of a command in a message. */
const SHOWN = 120;

type Boot = Pick<GuestSpec, 'phase' | 'nonce' | 'commands'>;

/** What a recipe says of a failed installation: see Recipe. */
export type ExplainInstall = (
  title: string | undefined,
  lines: readonly string[],
) => { message: string; items: string[] };

/**
 * What follows from how a VM ended: a success, or a failure of the package, which is an outcome and comes with the end
 * of the log. The other failures come with the end of the console.
 * @throws SlipwayFailure of the guest or host family
 */
export async function vmOutcome(
  boot: Boot,
  { end, statistics }: VmStatus,
  folder: string,
  explainInstall: ExplainInstall,
): Promise<VmOutcome> {
  const { phase, nonce } = boot;
  if (end?.kind === 'broken') {
    const { failure, message } = end;
    if (!isOutcome(failure) || statistics === undefined) {
      throw new SlipwayFailure(failure, message, withLines(await lastLines(join(folder, VM_FILES.console))));
    }
    const lines = await lastLines(join(folder, VM_FILES.log));
    return {
      failure: new SlipwayFailure(failure, message, withLines(lines)).details(phase),
      statistics,
      nonce,
    };
  }
  if (end === undefined || statistics === undefined) {
    throw new SlipwayFailure('VmLost', `the VM of the ${phase} phase is gone without a trace`);
  }
  if (end.kind === 'succeeded') return { statistics, nonce };
  const lines = await lastLines(join(folder, VM_FILES.log));
  const failed =
    phase === 'install' ? installFailed(end, boot, lines, explainInstall) : buildFailed(end, boot, lines);
  return { failure: failed.details(phase), statistics, nonce };
}

type Failed = Extract<VmEnd, { kind: 'failed' }>;

function installFailed(
  { command, exitCode }: Failed,
  { commands }: Boot,
  lines: string[],
  explain: ExplainInstall,
): SlipwayFailure {
  const { message, items } = explain(commands[command]?.title, lines);
  return new SlipwayFailure('InstallFailed', `${message} (${exit(exitCode)})`, {
    exitCode,
    ...withLines(lines),
    ...(items.length === 0 ? {} : { items }),
  });
}

function buildFailed({ command, exitCode }: Failed, { commands }: Boot, lines: string[]): SlipwayFailure {
  const { title, argv } = commands[command] ?? {};
  const words = title ?? argv?.map(quote).join(' ').replaceAll(/\s+/g, ' ') ?? `command ${command}`;
  const shown = words.length > SHOWN ? `${words.slice(0, SHOWN)}…` : words;
  return new SlipwayFailure('BuildFailed', `${shown}: ${exit(exitCode)}`, { exitCode, ...withLines(lines) });
}

function exit(code: number): string {
  return code > 128 ? `exited with ${code}, killed by signal ${code - 128}` : `exited with ${code}`;
}

function withLines(lines: string[]): { lastLines?: string[] } {
  return lines.length === 0 ? {} : { lastLines: lines };
}
