import { expect, test } from 'vitest';
import { readParagraphs } from '../../repositories/deb822.ts';
import { closure } from '../../repositories/shared.ts';

const stanza = (name: string, fields: Record<string, string> = {}, architecture = 'amd64') =>
  [
    `Package: ${name}`,
    `Architecture: ${architecture}`,
    ...Object.entries(fields).map((pair) => pair.join(': ')),
    '',
    '',
  ].join('\n');

const of = (...stanzas: string[]) => closure(['debhelper'], readParagraphs(stanzas.join('')));

test.each([
  ['nothing where it is not among them', [stanza('perl')], []],
  ['it alone', [stanza('debhelper', {}, 'all'), stanza('perl')], ['debhelper_all']],
  [
    'what it depends on, and what that depends on before it',
    [
      stanza('debhelper', { Depends: 'dwz (>= 0.12), man-db (>= 2.9.3~)' }, 'all'),
      stanza('dwz', { 'Pre-Depends': 'libelf1 (= 1:2)' }),
      stanza('man-db'),
      stanza('libelf1'),
      stanza('libfoo-dev'),
    ],
    ['debhelper_all', 'dwz_amd64', 'libelf1_amd64', 'man-db_amd64'],
  ],
  [
    'every alternative that is there, providers of a virtual package, all architectures, circles',
    [
      stanza('debhelper', { Depends: 'gone | file:any, c-compiler [amd64]' }, 'all'),
      stanza('file', { Depends: 'debhelper' }),
      stanza('file', {}, 'arm64'),
      stanza('gcc', { Provides: 'c-compiler, other (= 1)' }),
    ],
    ['debhelper_all', 'file_amd64', 'file_arm64', 'gcc_amd64'],
  ],
])('of the dependencies many builds have %s', (_, stanzas, expected) => {
  expect(of(...stanzas)).toEqual(expected);
});
