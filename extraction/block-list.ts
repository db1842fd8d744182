import { setImmediate } from 'node:timers/promises';
import type { Entry, FileEntry } from './entries.ts';
import { EntryReader, type ListLimits } from './entry-reader.ts';
import { type Extent, listLines } from './list-lines.ts';
import { RuleBroken, rejection } from './rule-broken.ts';

export interface BlockList {
  entries: readonly Entry[];
  /** Bytes of all files, holes included, hard links counted once. */
  bytes: number;
}

/** Lines between two looks at the signal; the event loop runs meanwhile. */
const LINES_AT_ONCE = 4096;

/**
 * Reads a list that a hostile guest wrote and checks every rule. What is written is bounded with the sizes: extents of
 * a file do not overlap in it and are cut at its size, so that no file has more content than its size says.
 * @throws SlipwayFailure ArtifactsRejected naming entry and rule; the signal's reason
 */
export async function readBlockList(
  list: Buffer,
  limits: ListLimits,
  signal: AbortSignal,
): Promise<BlockList> {
  const reader = new EntryReader(limits);
  let number = 1;
  try {
    for (const { line, next } of listLines(list)) {
      reader.add(line, number, next);
      if (number % LINES_AT_ONCE === 0) await pause(signal);
      number += 1;
    }
  } catch (error) {
    throw error instanceof RuleBroken ? rejection(error, number) : error;
  }
  reader.end();
  for (const [i, check] of reader.checks.entries()) {
    check();
    if (i % LINES_AT_ONCE === 0) await pause(signal);
  }
  return { entries: reader.entries, bytes: reader.bytes };
}

async function pause(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}

/** The extents of a file in a list that was checked. */
export function* extentsOf(list: Buffer, { extents: { from, to } }: FileEntry): Generator<Extent> {
  for (const { line } of listLines(list, from, to)) if (line.kind === 'extent') yield line.extent;
}
