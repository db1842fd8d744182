import { describe, expect, it } from 'vitest';
import { type Bar, barsOf, exitCodeOf } from '../../../bench/peers/bars.ts';
import type { Extraction } from '../../../bench/peers/measurement.ts';
import type { PeerName, Spans } from '../../../bench/peers/peer.ts';
import { measured } from './measured.ts';

const extraction: Extraction = {
  kind: 'extraction',
  ours: 900,
  dd: 1000,
  at: '2026-11-21T18:00:00.000Z',
  load: 0,
};

/** What hello took when it was measured by hand, and a slipway that meets all bars. */
const GOOD: Partial<Record<PeerName, Spans>> = {
  'slipway-cold': { before: 120, own: 350, after: 2 },
  'slipway-warm': { before: 10, own: 340, after: 2 },
  'container-cold': { before: 30, own: 14, after: 1 },
  'container-warm': { before: 5, own: 13.5, after: 1 },
  'obs-build': { before: 270, own: 350, after: 8 },
  sbuild: { before: 15, own: 15, after: 2 },
  chroot: { own: 13 },
};

function judged(
  changed: Partial<Record<PeerName, Spans | undefined>>,
  of: Extraction | undefined = extraction,
) {
  return barsOf(['hello'], measured('hello', { ...GOOD, ...changed }), of);
}

const verdicts = (bars: readonly Bar[]) => bars.map(({ verdict }) => verdict);

describe('all bars', () => {
  it('are met by what meets them: exit code 0', () => {
    const bars = judged({});
    expect(verdicts(bars)).toEqual(['met', 'met', 'met', 'met']);
    expect(bars.map(({ value }) => value?.toFixed(3))).toEqual(['0.043', '0.986', '1.058', '0.900']);
    expect(exitCodeOf(bars)).toBe(0);
  });

  it.each<[string, Partial<Record<PeerName, Spans | undefined>>, string[]]>([
    [
      'overhead of just a twentieth',
      { 'slipway-warm': { before: 11.9, own: 340, after: 2 } },
      ['met', 'met', 'met', 'met'],
    ],
    ['more', { 'slipway-warm': { before: 12, own: 340, after: 2 } }, ['missed', 'met', 'met', 'met']],
    [
      'a guest slower by 5 %, which is noise',
      { 'slipway-cold': undefined, 'slipway-warm': { before: 1, own: 367.5, after: 1 } },
      ['met', 'met', 'met', 'met'],
    ],
    [
      'by more',
      { 'slipway-cold': undefined, 'slipway-warm': { before: 1, own: 368, after: 1 } },
      ['met', 'missed', 'met', 'met'],
    ],
    [
      'a slow container',
      { 'container-warm': { before: 1, own: 15, after: 1 } },
      ['met', 'met', 'missed', 'met'],
    ],
    ['no obs-build', { 'obs-build': undefined }, ['not measured', 'not measured', 'met', 'met']],
    ['no chroot', { chroot: undefined }, ['met', 'met', 'not measured', 'met']],
    ['no warm build', { 'slipway-warm': undefined }, ['not measured', 'met', 'met', 'met']],
    ['no sbuild, which no bar asks for', { sbuild: undefined }, ['met', 'met', 'met', 'met']],
  ])('%s', (_, changed, expected) => {
    expect(verdicts(judged(changed))).toEqual(expected);
  });

  it('name what was not measured, and what was asked for', () => {
    const [overhead] = judged({ 'obs-build': undefined, 'slipway-warm': undefined });
    expect(overhead).toMatchObject({
      source: 'hello',
      value: undefined,
      limit: 0.05,
      lacks: ['slipway-warm', 'obs-build'],
    });
    const [, , , none] = barsOf(['hello'], [], undefined);
    expect(none).toMatchObject({ verdict: 'not measured', lacks: ['extraction'] });
  });

  it('are of medians of all rounds, and of each package', () => {
    const rounds = [12, 100, 13].flatMap((own, index) => measured('hello', { chroot: { own } }, index + 1));
    const all = [...rounds, ...measured('hello', { 'container-warm': { before: 1, own: 13, after: 1 } })];
    expect(barsOf(['hello', 'other'], all, undefined).map(({ source, value }) => [source, value])).toEqual([
      ['hello', undefined],
      ['hello', undefined],
      ['hello', 1],
      ['other', undefined],
      ['other', undefined],
      ['other', undefined],
      [undefined, undefined],
    ]);
  });
});

it.each([
  [['met', 'met'], 0],
  [['met', 'missed'], 1],
  [['not measured', 'missed'], 1],
  [['met', 'not measured'], 3],
] as const)('%j ends with %i', (each, code) => {
  const bar = { what: 'a bar', value: 1, limit: 1, is: 'at most' as const };
  expect(exitCodeOf(each.map((verdict) => ({ ...bar, verdict })))).toBe(code);
});
