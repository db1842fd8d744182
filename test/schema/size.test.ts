import { describe, expect, it } from 'vitest';
import { formatMiB, parseMiB, parseSize } from '../../schema/size.ts';

describe('parseSize', () => {
  it.each([
    ['4 GiB', 4 * 1024 ** 3],
    ['512MiB', 512 * 1024 ** 2],
    [' 1.5 TiB ', 1.5 * 1024 ** 4],
    ['1 KiB', 1024],
    ['0 MiB', 0],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['4GB', '4 gib', '4G', '4', '4 MB', '4 bytes', '4 Pib'])(
    'refuses the unit of %s and names the right ones',
    (text) => {
      expect(() => parseSize(text)).toThrow(
        /the units are KiB, MiB, GiB and TiB; write for instance 4 [KMGT]iB$/,
      );
    },
  );

  it.each(['', 'GiB', '-1 GiB', '1e3 MiB', '1,5 GiB', '4 GiB x', '0x10 MiB'])(
    'refuses %j as no size',
    (text) => {
      expect(() => parseSize(text)).toThrow('write a number and a unit');
    },
  );

  it('refuses what no number holds exactly', () => {
    expect(() => parseSize('9999999 TiB')).toThrow('too large');
  });
});

it('takes whole MiB only where MiB are meant', () => {
  expect(parseMiB('2 GiB')).toBe(2048);
  expect(() => parseMiB('1536 KiB')).toThrow('whole number of MiB');
});

it.each([0, 1, 1024, 1536, 1024 ** 2, 3 * 1024 ** 2])(
  'writes %i MiB so that it is read back',
  (mebibytes) => {
    expect(parseMiB(formatMiB(mebibytes))).toBe(mebibytes);
  },
);
