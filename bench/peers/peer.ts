import type { Inputs } from './inputs.ts';

/** All that build the packages, in the order of a round. */
export const PEER_NAMES = [
  'slipway-cold',
  'slipway-warm',
  'container-cold',
  'container-warm',
  'obs-build',
  'sbuild',
  'chroot',
] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** Seconds of one build. A plain chroot has only the package's own. */
export interface Spans {
  /** From the request to the first instruction of the package's own build. */
  before?: number | undefined;
  /** From unpacking the source to the end of dpkg-buildpackage. */
  own: number;
  /** From its last instruction to results in place. */
  after?: number | undefined;
}

/** Something that builds Debian packages. */
export interface Peer {
  readonly name: PeerName;
  /** Minutes a build. */
  readonly isLong: boolean;
  /** How often it is measured. */
  readonly rounds: 'many' | 'few';
  /** Why it cannot be measured here; undefined: it can. */
  missing(): Promise<string | undefined>;
  /** Once, not measured: what it has before anybody asks for a build. */
  prepare(all: readonly Inputs[]): Promise<void>;
  /** One build, from nothing but the inputs, and everything that it left behind deleted. */
  measure(inputs: Inputs): Promise<Spans>;
}

/** What all peers share. */
export interface Bench {
  /** An existing folder that everybody may enter; deleted at the end. */
  folder: string;
  /** Home of the slipway that is measured. */
  home: string;
  /** The VM type of slipway's long builds, and obs-build's. */
  vmType: 'qemu' | 'kvm';
  /** A checkout of openSUSE's obs-build. */
  obsBuild: string | undefined;
}

/** The overhead: what is not the package's own build. */
export function overheadOf({ before, after }: Spans): number | undefined {
  return before === undefined || after === undefined ? undefined : before + after;
}
