import { createHash } from 'node:crypto';
import { loadavg } from 'node:os';
import { run } from '../../host/run.ts';
import { inputsOf } from '../../schema/lock.ts';
import { benchExtraction } from '../extraction.ts';
import type { Inputs } from './inputs.ts';
import type { Peer, Spans } from './peer.ts';
import type { RunRecord } from './record.ts';
import type { Absent } from './report.ts';
import { schedule, type Turn } from './schedule.ts';

type Say = (line: string) => void;

/** Measures in turn what the record does not have yet. Answers with the peers that failed, and why. */
export async function measureAll(of: {
  all: readonly Inputs[];
  peers: readonly Peer[];
  record: RunRecord;
  rounds: { rounds: number; longRounds: number };
  /** After which no round but the first is begun. */
  minutes: number;
  /** Before each build; default: what an earlier one wrote is written to the disk, and not during this one. */
  settle?: () => Promise<unknown>;
  say: Say;
}): Promise<Absent[]> {
  const { all, peers, record, say, settle = written } = of;
  const started = performance.now();
  const failed: Absent[] = [];
  const sources = all.map(({ source }) => source);
  const turns = schedule(sources, peers, of.rounds).filter(
    ({ source, peer, round }) => !record.has(source, peer, round),
  );
  let leftOut = 0;
  for (const turn of turns) {
    const minutes = (performance.now() - started) / 60_000;
    if (turn.round > 1 && minutes > of.minutes) {
      leftOut += 1;
      continue;
    }
    const inputs = all.find(({ source }) => source === turn.source);
    const peer = peers.find(({ name }) => name === turn.peer);
    if (inputs === undefined || peer === undefined) throw new TypeError('a turn of nobody');
    say(`${minutes.toFixed(1).padStart(5)} min  ${turn.source}: ${turn.peer}, round ${turn.round} …`);
    try {
      await settle();
      say(`           ${inWords(await measure(turn, inputs, peer, record))}`);
    } catch (error) {
      const why = (error as Error).message;
      say(`           failed: ${why}`);
      failed.push({
        peer: turn.peer,
        why: `${turn.source}, round ${turn.round}, failed: ${why.split('\n')[0]}`,
      });
    }
  }
  if (leftOut > 0) say(`${of.minutes} minutes were over: ${leftOut} builds of further rounds were left out`);
  return failed;
}

async function measure({ round }: Turn, inputs: Inputs, peer: Peer, record: RunRecord): Promise<Spans> {
  const [load = 0] = loadavg();
  const spans = await peer.measure(inputs);
  const at = new Date().toISOString();
  await record.add({ kind: 'build', source: inputs.source, peer: peer.name, round, ...spans, at, load });
  return spans;
}

function written(): Promise<unknown> {
  return run(['sync']);
}

function inWords({ before, own, after }: Spans): string {
  const words = { before, own, after };
  return Object.entries(words)
    .filter(([, seconds]) => seconds !== undefined)
    .map(([name, seconds]) => `${name} ${seconds?.toFixed(1)} s`)
    .join(', ');
}

/** Extraction beside dd, unless the record has it. */
export async function measureExtraction(record: RunRecord, say: Say): Promise<void> {
  if (record.extraction !== undefined) return;
  say('           extraction beside dd …');
  await written();
  const [load = 0] = loadavg();
  const figures = await benchExtraction();
  const [ours, dd] = figures.filter(({ unit }) => unit === 'MB/s').map(({ value }) => value);
  if (ours === undefined || dd === undefined)
    throw new Error('the benchmark of extraction gives no two speeds');
  await record.add({ kind: 'extraction', ours, dd, at: new Date().toISOString(), load });
}

/** By what goes in alone: a lock also says when its repositories were signed. */
export function digestOfInputs({ lock }: Inputs): string {
  const digests = inputsOf(lock).map(({ sha256 }) => sha256);
  return createHash('sha256').update(digests.sort().join('\n')).digest('hex');
}
