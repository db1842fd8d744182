import type { PeerName } from './peer.ts';

/** One build to be measured. */
export interface Turn {
  round: number;
  source: string;
  peer: PeerName;
}

/**
 * Rounds interleaved: in each one all packages, each by all peers in their order. What is long has its turns in the
 * first rounds.
 */
export function schedule(
  sources: readonly string[],
  peers: readonly { name: PeerName; isLong: boolean }[],
  { rounds, longRounds }: { rounds: number; longRounds: number },
): Turn[] {
  const last = Math.max(...peers.map(({ isLong }) => (isLong ? longRounds : rounds)), 0);
  const turns: Turn[] = [];
  for (let round = 1; round <= last; round++) {
    for (const source of sources) {
      for (const { name, isLong } of peers) {
        if (round <= (isLong ? longRounds : rounds)) turns.push({ round, source, peer: name });
      }
    }
  }
  return turns;
}
