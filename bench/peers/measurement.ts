import { z } from 'zod';
import { PEER_NAMES, type PeerName } from './peer.ts';

const Seconds = z.number().min(0);

/** One finished build of one peer. */
export const Measurement = z.strictObject({
  kind: z.literal('build'),
  source: z.string(),
  peer: z.enum(PEER_NAMES),
  round: z.int().min(1),
  before: Seconds.optional(),
  own: Seconds,
  after: Seconds.optional(),
  /** When it ended. */
  at: z.iso.datetime(),
  /** Of the minute before it began. */
  load: z.number().min(0),
});
export type Measurement = z.infer<typeof Measurement>;

/** Extraction beside dd, each in MB/s. */
export const Extraction = z.strictObject({
  kind: z.literal('extraction'),
  ours: z.number().positive(),
  dd: z.number().positive(),
  at: z.iso.datetime(),
  load: z.number().min(0),
});
export type Extraction = z.infer<typeof Extraction>;

/** The middle one and the range of several rounds. */
export interface Range {
  median: number;
  min: number;
  max: number;
  rounds: number;
}

/** Undefined where there is nothing. Of an even number the mean of the middle two. */
export function rangeOf(numbers: readonly (number | undefined)[]): Range | undefined {
  const sorted = numbers.filter((number) => number !== undefined).sort((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const half = sorted.length / 2;
  const middle = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1);
  const median = middle.reduce((sum, number) => sum + number, 0) / middle.length;
  return { median, min, max, rounds: sorted.length };
}

/** What was measured of some peers with one package. */
export function of(all: readonly Measurement[], source: string, ...peers: PeerName[]): Measurement[] {
  return all.filter((one) => one.source === source && peers.includes(one.peer));
}
