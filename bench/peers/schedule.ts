import type { Peer, PeerName } from './peer.ts';

/** One build to be measured. */
export interface Turn {
  round: number;
  source: string;
  peer: PeerName;
}

/**
 * Rounds interleaved: in each one all packages, each by all peers in their order. What takes minutes is spread between
 * the rounds of what does not: after each of these one package by all that take long, so that a machine that changes
 * meanwhile changes for everybody.
 */
export function schedule(
  sources: readonly string[],
  peers: readonly Pick<Peer, 'name' | 'isLong' | 'rounds'>[],
  { rounds, longRounds }: { rounds: number; longRounds: number },
): Turn[] {
  const times = { many: rounds, few: longRounds };
  const roundOf = (round: number, source: string, isLong: boolean): Turn[] =>
    peers
      .filter((peer) => peer.isLong === isLong && round <= times[peer.rounds])
      .map(({ name }) => ({ round, source, peer: name }));
  const numbers = Array.from({ length: Math.max(rounds, longRounds) }, (_, index) => index + 1);
  const long = numbers.flatMap((round) => sources.map((source) => roundOf(round, source, true)));
  const short = numbers.map((round) => sources.flatMap((source) => roundOf(round, source, false)));
  return [
    ...short.flatMap((turns, index) => [...turns, ...(long[index] ?? [])]),
    ...long.slice(short.length).flat(),
  ];
}
