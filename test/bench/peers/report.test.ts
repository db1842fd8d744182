import { expect, it } from 'vitest';
import { barsOf } from '../../../bench/peers/bars.ts';
import { rangeOf } from '../../../bench/peers/measurement.ts';
import { markdown } from '../../../bench/peers/report.ts';
import { measured } from './measured.ts';

it.each([
  [[], undefined],
  [[undefined, 3], { median: 3, min: 3, max: 3, rounds: 1 }],
  [[5, 1, 9], { median: 5, min: 1, max: 9, rounds: 3 }],
  [[4, 1, 2, 10], { median: 3, min: 1, max: 10, rounds: 4 }],
])('the range of %j', (numbers, expected) => {
  expect(rangeOf(numbers)).toEqual(expected);
});

it('names machine, load, each peer with its rounds, bars, and who was not there', () => {
  const measurements = [
    ...measured('hello', { 'slipway-warm': { before: 9, own: 300, after: 1 }, chroot: { own: 13 } }),
    ...measured('hello', { chroot: { own: 14 } }, 2),
    ...measured('hello', { chroot: { own: 12 } }, 3),
  ];
  const text = markdown({
    ...{ machine: '2 × a processor, QEMU 7.2.22', vmType: 'qemu', load: rangeOf([0.1, 0.3, 0.5]) },
    packages: [{ source: 'hello', version: '2.10-3', files: 171, bytes: 149_400_000 }],
    ...{ measurements, extraction: undefined },
    absent: [{ peer: 'obs-build', why: 'not given (--obs-build DIR)' }],
    bars: barsOf(['hello'], measurements, undefined),
  });
  for (const line of [
    '2 × a processor, QEMU 7.2.22, VM type qemu, load 0.3 (0.1–0.5)',
    '**hello 2.10-3** (171 files, 149 MB), seconds',
    '|  | before | own build | after | overhead | rounds |',
    '| slipway, warm | 9.0 | 300.0 | 1.0 | 10.0 | 1 |',
    '| obs-build, cold | – | – | – | – | 0 |',
    '| plain chroot | – | 13.0 (12.0–14.0) | – | – | 3 |',
    '| hello: overhead, warm / obs-build, cold | – | at most 0.05 | not measured (no obs-build) |',
    '| extraction / dd | – | at least 0.8 | not measured (no extraction) |',
    '**obs-build: not given (--obs-build DIR)**',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});
