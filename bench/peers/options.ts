import { parseArgs } from 'node:util';
import { PEER_NAMES, type PeerName } from './peer.ts';

/** Small, and of different kinds: C with autoconf, C with make alone, Perl for all architectures. */
export const PACKAGES = ['hello', 'hostname', 'liberror-perl'] as const;

export const USAGE = `npm run bench:peers -- [options]

  --only A,B        packages (default: ${PACKAGES.join(',')})
  --peers A,B       of ${PEER_NAMES.join(', ')}, extraction (default: all)
  --obs-build DIR   a checkout of openSUSE's obs-build; or OBS_BUILD=DIR
  --vm TYPE         qemu (default) or kvm, for slipway's guest and obs-build's
  --rounds N        of what is short (default 5)
  --long-rounds N   of what takes minutes, and of cold builds (default 1)
  --minutes N       after which no further round is begun (default 50)
  --resume FILE     the record of a run that was cut off: what it has is not measured again
  --json            JSON in the place of tables

Ends with 0 where all bars are met, 1 where one is missed, 2 where it could not run or left
something behind, 3 where none is missed but one
was not measured.`;

export interface BenchOptions {
  sources: string[];
  peers: (PeerName | 'extraction')[];
  obsBuild: string | undefined;
  vmType: 'qemu' | 'kvm';
  rounds: number;
  longRounds: number;
  minutes: number;
  resume: string | undefined;
  json: boolean;
}

/** A mistake of whoever called. */
export class WrongOption extends Error {}

/** @throws WrongOption; undefined where help is wanted */
export function optionsFrom(argv: readonly string[], env: NodeJS.ProcessEnv): BenchOptions | undefined {
  const values = parsed(argv);
  if (values.help) return undefined;
  const peers = words(values.peers) ?? [...PEER_NAMES, 'extraction'];
  const known: readonly string[] = [...PEER_NAMES, 'extraction'];
  const unknown = peers.filter((peer) => !known.includes(peer));
  if (unknown.length > 0)
    throw new WrongOption(`no such peer: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  const vmType = values.vm ?? 'qemu';
  if (vmType !== 'qemu' && vmType !== 'kvm') throw new WrongOption(`--vm is ${vmType}: must be qemu or kvm`);
  const sources = words(values.only) ?? [...PACKAGES];
  const odd = sources.filter((source) => !/^[a-z0-9][a-z0-9.+-]+$/.test(source));
  if (odd.length > 0) throw new WrongOption(`no name of a Debian source package: ${odd.join(', ')}`);
  return {
    sources,
    peers: peers as BenchOptions['peers'],
    obsBuild: values['obs-build'] ?? (env.OBS_BUILD || undefined),
    vmType,
    rounds: whole('--rounds', values.rounds ?? '5'),
    longRounds: whole('--long-rounds', values['long-rounds'] ?? '1'),
    minutes: whole('--minutes', values.minutes ?? '50'),
    resume: values.resume,
    json: values.json ?? false,
  };
}

function parsed(argv: readonly string[]) {
  const string = { type: 'string' } as const;
  const boolean = { type: 'boolean' } as const;
  const options = {
    ...{ only: string, peers: string, 'obs-build': string, vm: string, rounds: string },
    ...{ 'long-rounds': string, minutes: string, resume: string, json: boolean, help: boolean },
  };
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    throw new WrongOption((error as Error).message);
  }
}

function words(list: string | undefined): string[] | undefined {
  return list === undefined ? undefined : [...new Set(list.split(',').filter((word) => word !== ''))];
}

function whole(name: string, text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 1000)
    throw new WrongOption(`${name} is ${text}: must be 1 to 1000`);
  return number;
}
