import { describe, expect, it } from 'vitest';
import { optionsFrom, PACKAGES, WrongOption } from '../../../bench/peers/options.ts';
import { PEER_NAMES } from '../../../bench/peers/peer.ts';
import { schedule } from '../../../bench/peers/schedule.ts';

describe('options', () => {
  it('are by default everything, five rounds of what is short', () => {
    expect(optionsFrom([], {})).toEqual({
      ...{
        sources: [...PACKAGES],
        peers: [...PEER_NAMES, 'extraction'],
        obsBuild: undefined,
        vmType: 'qemu',
      },
      ...{ rounds: 5, longRounds: 1, minutes: 50, resume: undefined, json: false },
    });
  });

  it('take obs-build from the environment too, the option first', () => {
    expect(optionsFrom([], { OBS_BUILD: '/a' })?.obsBuild).toBe('/a');
    expect(optionsFrom([], { OBS_BUILD: '' })?.obsBuild).toBeUndefined();
    expect(optionsFrom(['--obs-build', '/b'], { OBS_BUILD: '/a' })?.obsBuild).toBe('/b');
  });

  it.each<[string[], object]>([
    [['--only', 'hello'], { sources: ['hello'] }],
    [['--only=hostname,hello,hostname'], { sources: ['hostname', 'hello'] }],
    [['--peers', 'chroot,sbuild,extraction'], { peers: ['chroot', 'sbuild', 'extraction'] }],
    [['--rounds', '2', '--long-rounds=3', '--minutes', '9'], { rounds: 2, longRounds: 3, minutes: 9 }],
    [['--vm', 'kvm', '--json', '--resume', 'x.jsonl'], { vmType: 'kvm', json: true, resume: 'x.jsonl' }],
  ])('%j', (argv, expected) => {
    expect(optionsFrom(argv, {})).toMatchObject(expected);
  });

  it.each([
    [['--peers', 'chroot,mock'], 'no such peer: mock; there are slipway-cold'],
    [['--vm', 'container'], '--vm is container: must be qemu or kvm'],
    [['--rounds', '0'], '--rounds is 0: must be 1 to 1000'],
    [['--rounds', 'many'], '--rounds is many'],
    [['--minutes', '-5'], 'minutes'],
    [['--only', '../etc'], 'no name of a Debian source package: ../etc'],
    [['--what'], '--what'],
    [['hello'], 'hello'],
  ])('%j is wrong', (argv, message) => {
    const wrong = () => optionsFrom(argv, {});
    expect(wrong).toThrow(WrongOption);
    expect(wrong).toThrow(message);
  });

  it('can ask for help', () => expect(optionsFrom(['--help'], {})).toBeUndefined());
});

describe('rounds', () => {
  const peers = [
    { name: 'slipway-warm', isLong: true, rounds: 'few' },
    { name: 'container-cold', isLong: false, rounds: 'few' },
    { name: 'obs-build', isLong: true, rounds: 'few' },
    { name: 'chroot', isLong: false, rounds: 'many' },
  ] as const;
  const turns = (...of: Parameters<typeof schedule>) =>
    schedule(...of).map(({ round, source, peer }) => `${round} ${source} ${peer}`);

  it('are interleaved, and what is long is spread between them', () => {
    expect(turns(['a', 'b'], peers, { rounds: 3, longRounds: 1 })).toEqual([
      ...['1 a container-cold', '1 a chroot', '1 b container-cold', '1 b chroot'],
      ...['1 a slipway-warm', '1 a obs-build'],
      ...['2 a chroot', '2 b chroot'],
      ...['1 b slipway-warm', '1 b obs-build'],
      ...['3 a chroot', '3 b chroot'],
    ]);
  });

  it('leave nothing out where there are fewer of them than packages, or none that are short', () => {
    expect(turns(['a', 'b', 'c'], peers.slice(2), { rounds: 1, longRounds: 1 })).toEqual([
      ...['1 a chroot', '1 b chroot', '1 c chroot', '1 a obs-build', '1 b obs-build', '1 c obs-build'],
    ]);
    expect(turns(['a'], peers.slice(2, 3), { rounds: 1, longRounds: 2 })).toEqual([
      '1 a obs-build',
      '2 a obs-build',
    ]);
    expect(turns(['a'], [], { rounds: 3, longRounds: 1 })).toEqual([]);
  });
});
