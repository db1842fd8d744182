import fc from 'fast-check';
import { expect, test } from 'vitest';
import { run } from '../../host/run.ts';
import { compareVersions } from '../../publishing/debian-version.ts';

const ORDERED = [
  '0~',
  '0',
  '1.0~rc1-1',
  '1.0-0.1',
  '1.0-1~bpo12+1',
  '1.0-1',
  '1.0-1+b1',
  '1.0-1+b10',
  '1.0a',
  '1.0+1',
  '1.00001.1',
  '1.2',
  '1.10',
  '2-1-1',
  '99999999999999999999',
  '99999999999999999999.1',
  '1:0.1',
  '2:0',
];

test('versions are ordered as dpkg orders them', () => {
  expect([...ORDERED].reverse().sort(compareVersions)).toEqual(ORDERED);
  for (const [older, newer] of [
    ['1.0~~', '1.0~'],
    ['1.0~', '1.0'],
    ['1.0', '1.0+'],
    ['a', '+'],
  ] as const) {
    expect(compareVersions(older, newer), `${older} < ${newer}`).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
  }
  expect(compareVersions('1.0', '0:1.00')).toBe(0);
});

const version = fc
  .tuple(
    fc.constantFrom('', '0:', '1:'),
    fc.stringMatching(/^[0-9][a-c0-2.+~]{0,6}$/),
    fc.constantFrom('', '-1', '-0', '-1~x', '-2+b1'),
  )
  .map((parts) => parts.join(''));

test('dpkg agrees', async () => {
  await fc.assert(
    fc.asyncProperty(version, version, async (a, b) => {
      const isLess = async (left: string, right: string) =>
        (await run(['dpkg', '--compare-versions', left, 'lt', right], { accept: [1] })).exitCode === 0;
      expect(Math.sign(compareVersions(a, b))).toBe((await isLess(b, a)) ? 1 : (await isLess(a, b)) ? -1 : 0);
    }),
    { numRuns: 60 },
  );
});
