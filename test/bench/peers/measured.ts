import type { Measurement } from '../../../bench/peers/measurement.ts';
import { PEER_NAMES, type PeerName, type Spans } from '../../../bench/peers/peer.ts';

/** One round of measurements of a package. */
export function measured(
  source: string,
  of: Partial<Record<PeerName, Spans | undefined>>,
  round = 1,
): Measurement[] {
  return PEER_NAMES.flatMap((peer) => {
    const spans = of[peer];
    if (spans === undefined) return [];
    return [{ kind: 'build', source, peer, round, ...spans, at: '2026-11-21T18:00:00.000Z', load: 0.5 }];
  });
}
