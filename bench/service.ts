import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { PHASES, type Phase } from '../schema/failures.ts';
import { BuildResult } from '../schema/result.ts';
import { resultRecord } from '../workflows/names.ts';
import type { Figure } from './table.ts';

const MAIN = resolve(import.meta.dirname, '../client/main.ts');

/**
 * Builds a package as a user does, with a server and a worker of its own, and returns the published result.
 * @param env the whole environment in the place of this process' own; what it says is then told only where it fails
 */
export async function buildThroughService(
  source: string,
  folder: string,
  vmType?: string,
  env?: Record<string, string>,
): Promise<BuildResult> {
  const argv = [MAIN, 'build', source, '--local', '--json', '--output', join(folder, 'results')];
  if (vmType !== undefined) argv.push('--vm', vmType);
  const { stdout } = await execa(process.execPath, argv, {
    stdin: 'ignore',
    ...(env === undefined ? { stderr: 'inherit' as const } : { env, extendEnv: false }),
  });
  return BuildResult.parse(JSON.parse(stdout).result);
}

/**
 * The figures of one build: what slipway adds before the first instruction of the package's own build and after its
 * last one, by phase, and the build's own time in the guest.
 */
export async function overhead(result: BuildResult, store: string | undefined): Promise<Figure[]> {
  const { totalSeconds, phaseSeconds: phases, build, install } = result.statistics;
  if (build === undefined || install === undefined)
    throw new Error('the build did not get as far as its guest');
  const before: [string, number][] = PHASES.slice(0, PHASES.indexOf('build')).map((phase) => [
    phase,
    phases[phase] ?? 0,
  ]);
  before.push(['boot of the build guest', build.bootSeconds]);
  const shutdown = build.seconds - build.bootSeconds - build.commandSeconds;
  const around = (phases.build ?? 0) - build.seconds;
  const after: [string, number][] = [
    ['list, sync and power-off of the guest', shutdown],
    ['supervisor and workflow around the guest', around],
    ...(['extract', 'upload'] as Phase[]).map((phase): [string, number] => [phase, phases[phase] ?? 0]),
    ...(store === undefined
      ? []
      : [['leave the host, publish', await publicationSeconds(result, store)] as [string, number]]),
  ];
  return [
    ...seconds('before: ', before),
    { what: '**from start to the first instruction of the build**', value: sum(before), unit: 's' },
    { what: "**the build's own time in the guest**", value: build.commandSeconds, unit: 's' },
    ...seconds('after: ', after),
    { what: '**from its last instruction to publication**', value: sum(after), unit: 's' },
    { what: 'whole', value: totalSeconds, unit: 's' },
  ];
}

/** A result cannot say when it was published: the record of the directory store does. */
async function publicationSeconds({ build, run, endedAt }: BuildResult, store: string): Promise<number> {
  const { mtimeMs } = await stat(join(store, 'records', `${resultRecord(build, run)}@record`));
  return (mtimeMs - Date.parse(endedAt)) / 1000;
}

function seconds(prefix: string, rows: [string, number][]): Figure[] {
  return rows.map(([what, value]) => ({ what: `${prefix}${what}`, value, unit: 's' }));
}

function sum(rows: [string, number][]): number {
  return rows.reduce((total, [, value]) => total + value, 0);
}
