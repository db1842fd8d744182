import { type Bar, NOISE } from './bars.ts';
import { type Extraction, type Measurement, of, type Range, rangeOf } from './measurement.ts';
import { overheadOf, PEER_NAMES, type PeerName } from './peer.ts';

/** Everything that a run says at its end. */
export interface Report {
  machine: string;
  vmType: string;
  /** Least and greatest load of a minute before a measurement; undefined: nothing was measured. */
  load: Range | undefined;
  packages: { source: string; version: string; files: number; bytes: number }[];
  measurements: Measurement[];
  extraction: Extraction | undefined;
  /** Peers that were not measured, or not everywhere, and why. */
  absent: Absent[];
  bars: Bar[];
}

export interface Absent {
  peer: string;
  why: string;
}

/** The whole report for people, as Markdown. */
export function markdown(report: Report): string {
  const { load } = report;
  return [
    `${report.machine}, VM type ${report.vmType}${load === undefined ? '' : `, load ${range(load, 1)}`}`,
    ...report.packages.map((one) => packageTable(one, report)),
    barTable(report.bars),
    ...report.absent.map(({ peer, why }) => `**${peer}: ${why}**`),
  ].join('\n\n');
}

const TITLES: Record<PeerName, string> = {
  'slipway-cold': 'slipway, cold',
  'slipway-warm': 'slipway, warm',
  'container-cold': 'slipway in a container, cold',
  'container-warm': 'slipway in a container, warm',
  'obs-build': 'obs-build, cold',
  sbuild: 'sbuild (unshare)',
  chroot: 'plain chroot',
};

function packageTable(
  { source, version, files, bytes }: Report['packages'][number],
  { measurements }: Report,
): string {
  const rows = PEER_NAMES.map((peer) => row(peer, of(measurements, source, peer)));
  return [
    `**${source} ${version}** (${files} files, ${Math.round(bytes / 1e6)} MB), seconds`,
    '',
    ...table(['', 'before', 'own build', 'after', 'overhead', 'rounds'], rows),
  ].join('\n');
}

function row(peer: PeerName, found: readonly Measurement[]): string[] {
  const figures = [
    found.map(({ before }) => before),
    found.map(({ own }) => own),
    found.map(({ after }) => after),
    found.map(overheadOf),
  ];
  const cells = figures.map((numbers) => range(rangeOf(numbers), 1));
  return [TITLES[peer], ...cells, `${found.length}`];
}

function barTable(bars: readonly Bar[]): string {
  const rows = bars.map(({ source, what, value, limit, is, verdict, lacks = [] }) => [
    source === undefined ? what : `${source}: ${what}`,
    value === undefined ? '–' : value.toFixed(3),
    `${is} ${limit}`,
    verdict === 'not measured' ? `not measured (no ${lacks.join(', ')})` : verdict,
  ]);
  return [
    ...table(['bar', 'ratio', 'wanted', ''], rows),
    '',
    `Ratios of medians; own builds in two emulated guests may differ by ${NOISE * 100} %.`,
  ].join('\n');
}

/** First column to the left, all others to the right. */
function table(head: readonly string[], rows: readonly string[][]): string[] {
  const marks = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [head, marks, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

/** `12.3 (11.0–14.9)`, without the range where there was one round. */
function range(of: Range | undefined, digits: number): string {
  if (of === undefined) return '–';
  const [median, min, max] = [of.median, of.min, of.max].map((number) => number.toFixed(digits));
  return of.rounds === 1 ? `${median}` : `${median} (${min}–${max})`;
}
