import type { Ceiling } from './ceiling.ts';
import type { RunFigures } from './histories.ts';
import type { Memory } from './memory.ts';
import { median, percentile } from './percentile.ts';

/** Times in seconds. */
export interface LoadReport {
  builds: number;
  capacity: number;
  guest: string;
  machine: string;
  /** Of the machine, over a minute: before and after. */
  load: { before: number; after: number };
  /** From the first start to the last end. */
  seconds: number;
  perMinute: number;
  /** From the start of the workflow to its lease. */
  queueWait: Spread;
  whole: Spread;
  /** From the lease to the end. */
  onHost: Spread;
  /** All builds together had a place for so long. */
  placeSeconds: number;
  history: { events: Extent; bytes: Extent };
  /** By activity: pauses and waiting in queues, work, attempts for each build. */
  steps: Record<string, { waited: Spread; worked: Spread; each: number }>;
  /** Seconds of CPU for each build. */
  cpu: { server: number; worker: number; children: number; client: number };
  /** Where it was, in words. */
  limit: string;
  memory: Memory;
  ceiling?: Ceiling;
  /** What went wrong: none in a good run. */
  problems: string[];
}

export interface Spread {
  p50: number;
  p99: number;
}

export interface Extent {
  median: number;
  max: number;
}

export function spread(values: readonly number[]): Spread {
  return { p50: median(values), p99: percentile(values, 0.99) };
}

function extent(values: readonly number[]): Extent {
  return { median: median(values), max: Math.max(...values) };
}

/** What the histories say together. */
export function figures(
  runs: readonly RunFigures[],
): Pick<
  LoadReport,
  'seconds' | 'perMinute' | 'queueWait' | 'whole' | 'onHost' | 'placeSeconds' | 'history' | 'steps'
> {
  const took = Math.max(...runs.map((run) => run.closedAt)) - Math.min(...runs.map((run) => run.startedAt));
  const claimed = runs.filter((run) => run.queueWait !== undefined);
  const onHost = claimed.map((run) => run.closedAt - run.startedAt - (run.queueWait ?? 0));
  const all = runs.flatMap((run) => run.steps);
  const types = [...new Set(all.map(({ type }) => type))];
  return {
    seconds: took,
    perMinute: (runs.length / took) * 60,
    queueWait: spread(claimed.map((run) => run.queueWait ?? 0)),
    whole: spread(runs.map((run) => run.closedAt - run.startedAt)),
    onHost: spread(onHost),
    placeSeconds: onHost.reduce((sum, seconds) => sum + seconds, 0),
    history: { events: extent(runs.map((run) => run.events)), bytes: extent(runs.map((run) => run.bytes)) },
    steps: Object.fromEntries(
      types.map((type) => {
        const of = all.filter((step) => step.type === type);
        const attempts = of.reduce((sum, step) => sum + step.attempts, 0);
        return [
          type,
          {
            waited: spread(of.map((step) => step.waited)),
            worked: spread(of.map((step) => step.worked)),
            each: attempts / runs.length,
          },
        ];
      }),
    ),
  };
}

/** The report for people: two Markdown tables. */
export function text(report: LoadReport): string {
  const { memory, cpu, history, ceiling } = report;
  const s = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(0));
  const two = ({ p50, p99 }: Spread) => `${s(p50)} / ${s(p99)}`;
  const four = (of: Memory['fds']) =>
    [of.start, of.quarter, of.half, of.end].map((x) => x.toFixed(0)).join(' / ');
  const rows: [string, string][] = [
    ['builds per minute', report.perMinute.toFixed(1)],
    ['queue wait, p50 / p99', `${two(report.queueWait)} s`],
    ['on the host, p50 / p99', `${two(report.onHost)} s`],
    ['whole, p50 / p99', `${two(report.whole)} s`],
    ['history events, median / most', `${history.events.median} / ${history.events.max}`],
    ['history bytes, median / most', `${history.bytes.median} / ${history.bytes.max}`],
    ['worker memory, start / ¼ / ½ / end', `${four(memory.rssMiB)} MiB`],
    ['its growth after the first quarter', `${memory.growthKiB.toFixed(1)} KiB per build`],
    ['worker open files, start / ¼ / ½ / end', four(memory.fds)],
    ['CPU per build: Temporal', `${cpu.server.toFixed(3)} s`],
    ['CPU per build: worker', `${cpu.worker.toFixed(3)} s`],
    ['CPU per build: its commands and guests', `${cpu.children.toFixed(3)} s`],
    ['CPU per build: client', `${cpu.client.toFixed(3)} s`],
  ];
  if (ceiling !== undefined) {
    rows.push(
      [
        `the same events with nothing in them (${ceiling.events})`,
        `${ceiling.perMinute.toFixed(1)} per minute`,
      ],
      ['CPU for each of those: Temporal', `${ceiling.serverCpu.toFixed(3)} s`],
      ['CPU for each of those: worker', `${ceiling.workerCpu.toFixed(3)} s`],
    );
  }
  const steps = Object.entries(report.steps).map(
    ([type, { waited, worked, each }]) =>
      `| ${type} | ${two(waited)} | ${two(worked)} | ${each.toFixed(2)} |`,
  );
  return [
    `${report.builds} builds at once, one host of ${report.capacity} places, guest \`${report.guest}\``,
    `${report.machine}; load ${report.load.before.toFixed(1)} before, ${report.load.after.toFixed(1)} after`,
    '',
    '| what | value |\n| --- | ---: |',
    ...rows.map(([what, value]) => `| ${what} | ${value} |`),
    '',
    `the limit: ${report.limit}`,
    '',
    '| step | waited, p50 / p99, s | worked, p50 / p99, s | attempts per build |\n| --- | ---: | ---: | ---: |',
    ...steps,
  ].join('\n');
}
