import { describe, expect, it } from 'vitest';
import { SlipwayFailure } from '../../schema/failures.ts';
import { loadConfiguration, parseConfiguration } from '../../workers/configuration.ts';
import { openStore } from '../../workers/open-store.ts';

/** Lines of a `store` section. */
const GOOD: [string, object][] = [
  ['{}', { keepInputs: false }],
  ['{directory: /srv/store}', { directory: '/srv/store', keepInputs: false }],
  ['{keepInputs: true}', { keepInputs: true }],
  ['{s3: {bucket: builds}}', { s3: { bucket: 'builds' }, keepInputs: false }],
  ['{s3: {bucket: my.builds-1, prefix: a/b_c+~.d}}', { s3: { bucket: 'my.builds-1', prefix: 'a/b_c+~.d' } }],
  [
    '{s3: {bucket: builds, endpoint: "http://s3.example:9000", region: garage, forcePathStyle: false}, keepInputs: true}',
    {
      s3: { bucket: 'builds', endpoint: 'http://s3.example:9000', region: 'garage', forcePathStyle: false },
      keepInputs: true,
    },
  ],
  ['{s3: {bucket: builds, endpoint: "https://[::1]:9000/"}}', { s3: { endpoint: 'https://[::1]:9000/' } }],
];

const BAD: [string, RegExp][] = [
  ['{directory: store}', /^store\.directory: must be an absolute path/],
  ['{directory: /srv/store, s3: {bucket: builds}}', /^store: directory and s3 do not go together/],
  ['{s3: {}}', /^store\.s3\.bucket: is missing/],
  ['{s3: builds}', /^store\.s3: /],
  ['{bucket: builds}', /^store\.bucket: unknown field; valid here: directory, s3, keepInputs/],
  ['{s3: {bucket: Builds}}', /^store\.s3\.bucket: must be a bucket's name/],
  ['{s3: {bucket: b}}', /^store\.s3\.bucket: must be a bucket's name/],
  ['{s3: {bucket: a..b}}', /^store\.s3\.bucket: must be a bucket's name/],
  ['{s3: {bucket: "s3://builds"}}', /^store\.s3\.bucket: must be a bucket's name/],
  ['{s3: {bucket: builds, prefix: ""}}', /^store\.s3\.prefix: must be words/],
  ['{s3: {bucket: builds, prefix: a/}}', /^store\.s3\.prefix: must be words/],
  ['{s3: {bucket: builds, prefix: /a}}', /^store\.s3\.prefix: must be words/],
  ['{s3: {bucket: builds, prefix: a/../b}}', /^store\.s3\.prefix: must be words/],
  ['{s3: {bucket: builds, prefix: ".."}}', /^store\.s3\.prefix: must be words/],
  ['{s3: {bucket: builds, prefix: "ä b"}}', /^store\.s3\.prefix: must be words/],
  [`{s3: {bucket: builds, prefix: ${'x'.repeat(101)}}}`, /^store\.s3\.prefix: /],
  [
    '{s3: {bucket: builds, endpoint: "s3.example:9000"}}',
    /^store\.s3\.endpoint: must be an http or https URL/,
  ],
  [
    '{s3: {bucket: builds, endpoint: "ftp://s3.example"}}',
    /^store\.s3\.endpoint: must be an http or https URL/,
  ],
  [
    '{s3: {bucket: builds, endpoint: "https://key:secret@s3.example"}}',
    /^store\.s3\.endpoint: .*without user/,
  ],
  ['{s3: {bucket: builds, region: "EU Central"}}', /^store\.s3\.region: must be the name of a region/],
  ['{s3: {bucket: builds, forcePathStyle: "yes"}}', /^store\.s3\.forcePathStyle: /],
  [
    '{s3: {bucket: builds, accessKeyId: AKIA}}',
    /^store\.s3\.accessKeyId: unknown field; valid here: bucket, /,
  ],
  ['{keepInputs: often}', /^store\.keepInputs: /],
];

describe('the store', () => {
  it.each(GOOD)('may be %s', (text, expected) => {
    expect(parseConfiguration(`store: ${text}`, 'x').store).toMatchObject(expected);
  });

  it.each(BAD)('is refused where it is %s', (text, expected) => {
    let refused: unknown;
    try {
      parseConfiguration(`store: ${text}`, 'slipway.yaml');
    } catch (error) {
      refused = error;
    }
    expect((refused as SlipwayFailure).more.items).toEqual([expect.stringMatching(expected)]);
    expect(refused).toBeInstanceOf(SlipwayFailure);
  });

  it('is the folder in the home, or what is configured', async () => {
    const { home, store } = await loadConfiguration('/dev/null', { SLIPWAY_HOME: '/h' });
    expect({ home, store }).toEqual({ home: '/h', store: { directory: '/h/store', keepInputs: false } });
    const named = { home, store: { s3: { bucket: 'builds', prefix: 'a/b' }, keepInputs: false } };
    expect((await openStore(named)).location).toBe('s3://builds/a/b');
    const folder = { home, store: { directory: '/mnt/store', keepInputs: false } };
    expect((await openStore(folder)).location).toBe('/mnt/store');
  });
});
