import { median } from './percentile.ts';
import type { Usage } from './usage.ts';

/** The worker after so many builds. */
export interface Sample {
  done: number;
  usage: Usage;
}

export interface Memory {
  /** Before the first build, and in the median about a quarter, the half and the end of the builds. */
  rssMiB: { start: number; quarter: number; half: number; end: number };
  fds: { start: number; quarter: number; half: number; end: number };
  /** Growth from a quarter of the builds to the end, for each build between. */
  growthKiB: number;
}

/** Fewer builds say nothing: a worker is warm after some fifty. */
const LEAST = 100;

/**
 * Memory is flat when from a quarter of the builds to their end it grows by no more than 64 MiB (a heap breathes) and
 * 16 KiB for each build in between; open files, by 32.
 */
const BREATH_MIB = 64;
const EACH_KIB = 16;
const BREATH_FDS = 32;

export function memoryOf(samples: readonly Sample[], builds: number): Memory {
  const about = (share: number, what: (usage: Usage) => number) => {
    const near = samples.filter(({ done }) => Math.abs(done / builds - share) <= 0.05);
    const nearest = [...samples].sort(
      (a, b) => Math.abs(a.done / builds - share) - Math.abs(b.done / builds - share),
    );
    return median((near.length > 0 ? near : nearest.slice(0, 1)).map(({ usage }) => what(usage)));
  };
  const at = (what: (usage: Usage) => number) => ({
    start: samples[0] === undefined ? Number.NaN : what(samples[0].usage),
    quarter: about(0.25, what),
    half: about(0.5, what),
    end: about(1, what),
  });
  const rssMiB = at(({ rssMiB: rss }) => rss);
  const fds = at(({ fds: open }) => open);
  const growthKiB = ((rssMiB.end - rssMiB.quarter) * 1024) / (builds * 0.75);
  return { rssMiB, fds, growthKiB };
}

/** What is not flat, in words; empty where all is, and where there were too few builds to tell. */
export function growth({ rssMiB, fds }: Memory, builds: number): string[] {
  if (builds < LEAST) return [];
  const allowed = BREATH_MIB + (builds * 0.75 * EACH_KIB) / 1024;
  const grown = rssMiB.end - rssMiB.quarter;
  const opened = fds.end - fds.quarter;
  return [
    ...(grown > allowed
      ? [
          `memory is not flat: ${grown.toFixed(0)} MiB more at the end than after a quarter of the builds, ${allowed.toFixed(0)} are allowed`,
        ]
      : []),
    ...(opened > BREATH_FDS
      ? [`open files are not flat: ${opened} more at the end than after a quarter`]
      : []),
  ];
}
