import { type Extraction, type Measurement, of, rangeOf } from './measurement.ts';
import { overheadOf, type PeerName } from './peer.ts';

/** A bar that slipway is measured by. */
export interface Bar {
  what: string;
  /** Absent where it is of no package. */
  source?: string;
  /** A ratio of medians; undefined: not measured. */
  value: number | undefined;
  limit: number;
  is: 'at most' | 'at least';
  verdict: 'met' | 'missed' | 'not measured';
  /** What was not measured. */
  lacks?: string[];
}

/** What one build of a guest may differ from the next under QEMU without anything having changed. */
export const NOISE = 0.05;

/** All bars, those that could not be measured among them. */
export function barsOf(
  sources: readonly string[],
  all: readonly Measurement[],
  extraction: Extraction | undefined,
): Bar[] {
  return [
    ...sources.flatMap((source) => barsOfPackage(source, all)),
    judged({
      what: 'extraction / dd',
      value: extraction === undefined ? undefined : extraction.ours / extraction.dd,
      ...{ limit: 0.8, is: 'at least' as const },
      lacks: extraction === undefined ? ['extraction'] : [],
    }),
  ];
}

function barsOfPackage(source: string, all: readonly Measurement[]): Bar[] {
  const compare = (
    what: string,
    limit: number,
    figure: Figure,
    ours: PeerName[],
    theirs: PeerName[],
  ): Bar => {
    const [a, b] = [ours, theirs].map((peers) => rangeOf(of(all, source, ...peers).map(figure))?.median);
    const lacks = [...(a === undefined ? ours : []), ...(b === undefined ? theirs : [])];
    const value = a === undefined || b === undefined ? undefined : a / b;
    return judged({ what, source, value, limit, is: 'at most', lacks });
  };
  return [
    compare('overhead, warm / obs-build, cold', 1 / 20, overheadOf, ['slipway-warm'], ['obs-build']),
    compare(
      'own build in the guest / in obs-build’s',
      1 + NOISE,
      own,
      ['slipway-cold', 'slipway-warm'],
      ['obs-build'],
    ),
    compare(
      'own build in the container / in a chroot',
      1.1,
      own,
      ['container-cold', 'container-warm'],
      ['chroot'],
    ),
  ];
}

type Figure = (one: Measurement) => number | undefined;

function own(one: Measurement): number {
  return one.own;
}

function judged(bar: Omit<Bar, 'verdict'>): Bar {
  const { value, limit, is, lacks, ...rest } = bar;
  if (value === undefined) return { ...rest, value, limit, is, verdict: 'not measured', lacks: lacks ?? [] };
  const isMet = is === 'at most' ? value <= limit : value >= limit;
  return { ...rest, value, limit, is, verdict: isMet ? 'met' : 'missed' };
}

/** 0: all bars met; 1: one is missed; 3: none is missed, but one was not measured. */
export function exitCodeOf(bars: readonly Bar[]): 0 | 1 | 3 {
  if (bars.some(({ verdict }) => verdict === 'missed')) return 1;
  return bars.some(({ verdict }) => verdict === 'not measured') ? 3 : 0;
}
