import type { Command } from 'commander';
import { shortId } from '../../workflows/names.ts';
import { KEPT_ROOT } from '../../workflows/status.ts';
import { configurationOf, openContext } from '../context.ts';
import { explainFailure } from '../explain.ts';
import { duration, printable } from '../printable.ts';
import type { BuildReport, NoAnswer } from '../report.ts';
import { positive } from '../request-options.ts';
import { NO_WORKER } from '../silence.ts';
import { progressText } from '../watch.ts';

export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .summary('one build, or the newest ones')
    .description('Shows a build, also after Temporal has forgotten it; without ID the newest builds.')
    .argument('[id]', 'a package (its newest build), package/digest, or 4 digits of the digest or more')
    .option('--json', 'as JSON')
    .option('--limit <n>', 'how many builds in the list', positive, 20);
  command.action(async (text: string | undefined, options: { json?: boolean; limit: number }) => {
    const context = await openContext(await configurationOf(command), 'store');
    const { slipway } = context;
    if (text === undefined) {
      const reports = await slipway.list(options.limit);
      console.log(options.json ? JSON.stringify(reports, null, 2) : listText(reports));
      return;
    }
    const report = await slipway.status(await slipway.find(text));
    const url = slipway.webUrl(report);
    if (options.json)
      console.log(JSON.stringify({ ...report, ...(url === undefined ? {} : { webUrl: url }) }, null, 2));
    else console.log(reportText(report, url));
  });
}

const DELETED = 'its result was deleted from the store (retention)';

function listText(reports: readonly BuildReport[]): string {
  if (reports.length === 0) return 'No builds yet. Start one: slipway build hello';
  return reports
    .map((report) => {
      const id = shortId(report.id).padEnd(32);
      const version = report.resultDeleted ? DELETED : (report.result?.package.version ?? '');
      return `${report.state.padEnd(10)} ${id} ${report.startedAt}  ${tookOf(report).padEnd(12)} ${version}`.trimEnd();
    })
    .join('\n');
}

function tookOf({ startedAt, endedAt }: BuildReport): string {
  return duration((Date.parse(endedAt ?? new Date().toISOString()) - Date.parse(startedAt)) / 1000);
}

function reportText(report: BuildReport, url: string | undefined): string {
  const { status, result, failure } = report;
  const what = result?.package ?? status?.package;
  const where =
    result === undefined ? status : { host: result.host, vm: `${result.vm.type} (${result.vm.isolation})` };
  const keptRoot = result?.keptRoot ?? status?.keptRoot;
  const phases = Object.entries(result?.statistics.phaseSeconds ?? status?.phaseSeconds ?? {});
  return printable(
    [
      `${report.state}  ${report.id}`,
      `run      ${report.run}`,
      ...(what === undefined ? [] : [`package  ${what.name} ${what.version}`]),
      `started  ${report.startedAt}${report.endedAt === undefined ? '' : `, ended ${report.endedAt}`} (${tookOf(report)})`,
      ...runningLines(report),
      ...(where?.host === undefined ? [] : [`host     ${where.host}, VM ${where.vm}`]),
      ...(keptRoot === undefined ? [] : [`root     ${KEPT_ROOT[keptRoot]}`]),
      ...(phases.length === 0
        ? []
        : [`phases   ${phases.map(([phase, seconds]) => `${phase} ${duration(seconds)}`).join(', ')}`]),
      ...(report.resultDeleted ? [`results  ${DELETED}`] : []),
      ...(result === undefined || report.resultDeleted
        ? []
        : [`results  ${result.artifacts.length}, log ${result.log.size} bytes`]),
      ...(url === undefined ? [] : [`web ui   ${url}`]),
      ...(failure === undefined ? [] : ['', explainFailure(failure)]),
    ].join('\n'),
  );
}

/** What is known of a running build where its workflow did not answer this once. */
const NO_ANSWER = {
  busy: 'a worker is at it, but too busy to say more; ask again',
  silent: `no answer in time: ask again. If it stays so, ${NO_WORKER}`,
  'no-worker': NO_WORKER,
} as const satisfies Record<NoAnswer, string>;

function runningLines({ state, status, noAnswer = 'silent', steps }: BuildReport): string[] {
  if (state !== 'running') return [];
  if (status === undefined) return [`waiting  ${NO_ANSWER[noAnswer]}`];
  const since = duration(Math.max(0, (Date.now() - Date.parse(status.phaseSince)) / 1000));
  return [
    `phase    ${status.phase} for ${since}`,
    ...(status.waiting === undefined ? [] : [`waiting  ${status.waiting.type}: ${status.waiting.message}`]),
    ...steps.flatMap(({ activity, attempt, progress, lastFailure }) => [
      ...(progress === undefined
        ? []
        : [`step     ${activity}: ${progressText(progress)}`.replace(/: $/, '')]),
      ...(attempt > 1 ? [`retry    ${activity}, attempt ${attempt}: ${lastFailure ?? 'timed out'}`] : []),
    ]),
  ];
}
