import { describe, expect, test } from 'vitest';
import { documentDifference, isDocument, type Setting } from '../../../client/compare/documents.ts';

const SETTING: Setting = {
  artifacts: new Set(['tiny_1_amd64.deb', 'tiny_1_amd64.buildinfo']),
  sameLock: true,
  sameRequest: true,
};

const BUILDINFO = `Format: 1.0
Source: tiny
Checksums-Sha256:
 aaaa 1000 tiny_1_amd64.deb
Build-Date: Sat, 21 Nov 2026 17:00:00 +0000
Installed-Build-Depends:
 gcc (= 4:12.2.0-3),
 libc6 (= 2.36-9)
Environment:
 DEB_BUILD_OPTIONS="parallel=2"
 LC_ALL="C.UTF-8"
`;

const CHANGES = `Format: 1.8
Source: tiny
Changes:
 tiny (1) unstable; urgency=medium
 .
   * Made.
Checksums-Sha256:
 aaaa 1000 tiny_1_amd64.deb
 bbbb 500 tiny_1_amd64.buildinfo
Files:
 cccc 500 misc optional tiny_1_amd64.buildinfo
`;

const EXPECTED = { expected: [], unexpected: [] };

test.each<[string, string, string, Partial<Setting>, object]>([
  ['nothing', BUILDINFO, BUILDINFO, {}, EXPECTED],
  [
    'the date alone is expected',
    BUILDINFO,
    BUILDINFO.replace('17:00:00', '18:00:00'),
    {},
    { expected: ['Build-Date'], unexpected: [] },
  ],
  [
    'what was installed is not',
    BUILDINFO,
    BUILDINFO.replace('2.36-9', '2.36-10').replace('17:00', '18:00'),
    {},
    { expected: ['Build-Date'], unexpected: ['Installed-Build-Depends'] },
  ],
  [
    '… but with other inputs',
    BUILDINFO,
    BUILDINFO.replace('2.36-9', '2.36-10'),
    { sameLock: false },
    { expected: ['Installed-Build-Depends'], unexpected: [] },
  ],
  [
    'the environment is not',
    BUILDINFO,
    BUILDINFO.replace('parallel=2', 'parallel=4'),
    {},
    { expected: [], unexpected: ['Environment'] },
  ],
  [
    '… but with another request',
    BUILDINFO,
    BUILDINFO.replace('parallel=2', 'parallel=4'),
    { sameRequest: false },
    { expected: ['Environment'], unexpected: [] },
  ],
  [
    'the checksums of an artifact are its own affair',
    BUILDINFO,
    BUILDINFO.replace('aaaa 1000', 'abcd 1001'),
    {},
    { expected: ['the checksums of tiny_1_amd64.deb'], unexpected: [] },
  ],
  [
    'the checksums of anything else are not',
    BUILDINFO,
    BUILDINFO.replace('aaaa 1000 tiny_1', 'abcd 1001 tiny_2'),
    {},
    { expected: [], unexpected: ['Checksums-Sha256'] },
  ],
  [
    'a file in several lists is said once',
    CHANGES,
    CHANGES.replace('bbbb', 'dddd').replace('cccc', 'eeee'),
    {},
    { expected: ['the checksums of tiny_1_amd64.buildinfo'], unexpected: [] },
  ],
  [
    'the changes are not',
    CHANGES,
    CHANGES.replace('Made', 'Broken'),
    {},
    { expected: [], unexpected: ['Changes'] },
  ],
  ['a field that is new', BUILDINFO, `${BUILDINFO}X-New:\n`, {}, { expected: [], unexpected: ['X-New'] }],
  [
    'a field that is gone',
    `${BUILDINFO}Build-Path: /a\n`,
    BUILDINFO,
    {},
    { expected: [], unexpected: ['Build-Path'] },
  ],
])('%s', (_, first, second, setting, found) => {
  expect(documentDifference(first, second, { ...SETTING, ...setting })).toEqual(found);
});

describe('what is no such document is not compared as one', () => {
  test.each([
    ['signed', `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${BUILDINFO}`],
    ['two paragraphs', `${BUILDINFO}\nSource: other\n`],
    ['empty', ''],
    ['a field twice', `${BUILDINFO}Source: other\n`],
    ['junk', '\0\u0001'],
  ])('%s', (_, text) => {
    expect(documentDifference(BUILDINFO, text, SETTING)).toBeUndefined();
    expect(documentDifference(text, BUILDINFO, SETTING)).toBeUndefined();
  });
});

test.each([
  ['a_1_amd64.buildinfo', true],
  ['a_1_amd64.changes', true],
  ['a_1.dsc', false],
  ['a.changes.gz', false],
])('%s: %s', (name, is) => {
  expect(isDocument(name)).toBe(is);
});
