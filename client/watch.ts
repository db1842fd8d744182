import { setTimeout as sleep } from 'node:timers/promises';
import cliProgress from 'cli-progress';
import prettyBytes from 'pretty-bytes';
import type { VmProgress } from '../activities/contract.ts';
import type { Progress } from '../host/progress.ts';
import { PHASES, type Phase } from '../schema/failures.ts';
import type { BuildResult } from '../schema/result.ts';
import type { BuildStatus } from '../workflows/status.ts';
import type { SlipwayClient, StartedBuild } from './client.ts';
import { isOutage } from './failures.ts';
import { Outage } from './outage.ts';
import { duration, printable } from './printable.ts';
import type { BuildReport } from './report.ts';
import type { Screen } from './screen.ts';
import { Silence } from './silence.ts';

const POLL_MILLISECONDS = 1000;
const DRAW_MILLISECONDS = 250;

/** What is on the screen of one build. */
interface View {
  screen: Screen;
  outage: Outage;
  silence: Silence;
  shown?: BuildStatus;
  waiting?: string;
  lastReport?: BuildReport;
  vm?: string;
  /** Of each step the failure that was said last. */
  failures: Map<string, string>;
  /** Seconds of the finished phases that were said. */
  said: Map<Phase, number>;
}

/**
 * Shows a build until it ends: phases with their time, progress of the current step, the live log, and that Temporal is
 * away. `address` is where Temporal is; `isLocal` says that the worker was brought for this build.
 * @throws as `SlipwayClient.wait`; the signal's reason where it was aborted (the build goes on)
 */
export async function watchBuild(
  slipway: SlipwayClient,
  build: StartedBuild,
  screen: Screen,
  signal: AbortSignal,
  { address, isLocal }: { address: string; isLocal: boolean },
): Promise<BuildResult> {
  const over = new AbortController();
  const stop = AbortSignal.any([over.signal, signal]);
  const outage = new Outage(address, (line) => screen.line(line));
  const view: View = {
    screen,
    outage,
    silence: new Silence(isLocal),
    failures: new Map(),
    said: new Map(),
  };
  const drawing = setInterval(() => draw(view), DRAW_MILLISECONDS);
  const polling = poll(slipway, build, view, stop);
  const following = followLog(slipway, build, screen, signal);
  try {
    // A call that the SDK tries again hears of no signal until its turn.
    const result = await Promise.race([slipway.wait(build.id, { run: build.run, signal }), aborted(signal)]);
    await following;
    sayPhases(view, result.statistics.phaseSeconds);
    return result;
  } finally {
    over.abort();
    clearInterval(drawing);
    if (!signal.aborted) await Promise.allSettled([polling, following]);
    screen.end();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function followLog(
  slipway: SlipwayClient,
  { id, run }: StartedBuild,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const bytes of slipway.log(id, { run, follow: true, signal })) screen.log(bytes);
    screen.endLog();
  } catch (error) {
    if (!signal.aborted) screen.line(`The log cannot be followed: ${printable((error as Error).message)}`);
  }
}

async function poll(
  slipway: SlipwayClient,
  build: StartedBuild,
  view: View,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    try {
      const report = await slipway.status(build.id, { run: build.run });
      if (stop.aborted) return;
      view.outage.heard(true);
      update(view, report);
    } catch (error) {
      if (!stop.aborted && isOutage(error)) {
        view.outage.heard(false);
        view.silence.forget();
      }
    }
    await sleep(POLL_MILLISECONDS, undefined, { signal: stop }).catch(() => undefined);
  }
}

function update(view: View, report: BuildReport): void {
  const { screen } = view;
  view.lastReport = report;
  const { status } = report;
  const silence = view.silence.heard(report);
  if (status === undefined) {
    // What the workflow itself waits for stays shown meanwhile.
    if (silence !== undefined || view.waiting === view.silence.text) sayWaiting(view, silence);
    return;
  }
  sayPhases(view, status.phaseSeconds, status.phase);
  if (view.shown?.phase !== status.phase && !screen.isTerminal) screen.line(`== ${status.phase}`);
  if (status.vm !== undefined && status.vm !== view.vm) {
    view.vm = status.vm;
    screen.line(`on host ${status.host}, VM ${status.vm}`);
  }
  view.shown = status;
  for (const line of retryLines(status.phase, report.steps, view.failures)) screen.line(line);
  sayWaiting(
    view,
    status.waiting === undefined ? undefined : `${status.waiting.type}: ${status.waiting.message}`,
  );
}

/** Why steps are tried again, once for each reason. What a claim waits for is said as such. */
export function retryLines(
  phase: Phase,
  steps: BuildReport['steps'],
  said: Map<string, string> = new Map(),
): string[] {
  return steps.flatMap(({ activity, attempt, lastFailure = 'timed out' }) => {
    if (attempt < 2 || activity === 'claimHost' || said.get(activity) === lastFailure) return [];
    said.set(activity, lastFailure);
    return [
      printable(`${phase}: attempt ${attempt - 1} of ${activity} failed: ${lastFailure}; it is tried again`),
    ];
  });
}

function sayWaiting(view: View, waiting: string | undefined): void {
  if (waiting !== undefined && waiting !== view.waiting) view.screen.line(`waiting: ${printable(waiting)}`);
  if (waiting === undefined) delete view.waiting;
  else view.waiting = waiting;
}

function draw({ screen, outage, shown, waiting, lastReport }: View): void {
  if (!screen.isTerminal) return;
  const away = outage.text();
  if (away !== undefined) {
    screen.status(away);
    return;
  }
  if (shown === undefined) {
    screen.status(lastReport?.noAnswer === 'busy' ? 'the worker is busy' : 'waiting for a worker');
    return;
  }
  const step = lastReport?.steps.find(({ progress }) => progress !== undefined);
  const retry = lastReport?.steps.find(({ attempt }) => attempt > 1);
  const parts = [
    `${shown.phase} ${duration(secondsIn(shown))}`,
    ...(step?.progress === undefined ? [] : [progressText(step.progress)].filter((text) => text !== '')),
    ...(waiting === undefined ? [] : [`waiting: ${waiting}`]),
    ...(retry?.lastFailure === undefined ? [] : [`attempt ${retry.attempt}: ${retry.lastFailure}`]),
  ];
  screen.status(printable(parts.join(' · ')).replaceAll('\n', ' '));
}

/** Phases that have ended since the last look; short ones come several at a time. */
function sayPhases({ screen, said }: View, seconds: Partial<Record<Phase, number>>, current?: Phase): void {
  for (const phase of PHASES) {
    const took = seconds[phase];
    if (phase === current || took === undefined || took === said.get(phase)) continue;
    said.set(phase, took);
    screen.line(`✓ ${phase.padEnd(10)} ${duration(took)}`);
  }
}

function secondsIn({ phaseSince }: BuildStatus): number {
  return Math.max(0, (Date.now() - Date.parse(phaseSince)) / 1000);
}

/** `hello.dsc ████░░░░ 12 MiB of 80 MiB`; of a guest what it uses, its time is the phase's. */
export function progressText(progress: Progress & Partial<Pick<VmProgress, 'sample'>>): string {
  const { what, done, total, unit, sample } = progress;
  if (unit === 'seconds') {
    return sample === undefined ? '' : `memory ${sample.memoryMiB} MiB, disk ${sample.diskMiB} MiB`;
  }
  const shown = (value: number) =>
    unit === 'bytes' ? prettyBytes(value, { binary: true }) : `${Math.round(value)} ${unit}`;
  if (total === undefined || total === 0) return `${what} ${shown(done)}`;
  const bar = cliProgress.Format.BarFormat(Math.min(1, done / total), BAR);
  return `${what} ${bar} ${shown(done)} of ${shown(total)}`;
}

const BAR = {
  barsize: 20,
  barCompleteString: '█'.repeat(20),
  barIncompleteString: '░'.repeat(20),
  barGlue: '',
};
