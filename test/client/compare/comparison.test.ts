import { expect, test } from 'vitest';
import { createSlipwayClient } from '../../../client/client.ts';
import { compareResults, type Verdict } from '../../../client/compare/comparison.ts';
import {
  comparisonDocument,
  comparisonText,
  differenceText,
  verdictText,
} from '../../../client/compare/comparison-text.ts';
import { mustHaveSucceeded, newestResult, resultBefore } from '../../../client/compare/earlier-results.ts';
import type { Artifact, BuildResult } from '../../../schema/result.ts';
import type { Store } from '../../../stores/store.ts';
import { testStore } from '../../support/build-host.ts';
import { putResult } from '../../support/results.ts';

type Made = Record<string, string | Partial<Artifact>>;

async function resultWith(store: Store, made: Made): Promise<BuildResult> {
  const result = await putResult(store, { name: 'tiny' });
  const artifacts: Artifact[] = [];
  for (const [path, what] of Object.entries(made)) {
    const plain = { path, kind: 'file', executable: false } as const;
    if (typeof what !== 'string') artifacts.push({ ...plain, size: 0, ...what });
    else artifacts.push({ ...plain, size: what.length, sha256: await store.putBytes(Buffer.from(what)) });
  }
  return { ...result, artifacts };
}

async function compared(first: Made, second: Made) {
  const store = await testStore();
  return compareResults(store, await resultWith(store, first), await resultWith(store, second));
}

const dated = (date: string) => `Format: 1.0\nBuild-Date: ${date}\n`;

test.each<[string, Made, Made, Verdict, string | undefined]>([
  ['the same content', { a: 'x' }, { a: 'x' }, 'identical', undefined],
  ['another content', { a: 'x' }, { a: 'y' }, 'differs', undefined],
  ['no longer there', { a: 'x' }, {}, 'missing', undefined],
  ['new', {}, { a: 'x' }, 'additional', undefined],
  ['another kind', { a: 'x' }, { a: { kind: 'directory' } }, 'differs', 'a file became a directory'],
  [
    'another target',
    { a: { kind: 'symlink', target: 'b' } },
    { a: { kind: 'symlink', target: 'c' } },
    'differs',
    'leads to b, then to c',
  ],
  [
    'the same link',
    { a: { kind: 'symlink', target: 'b' } },
    { a: { kind: 'symlink', target: 'b' } },
    'identical',
    undefined,
  ],
  [
    'executable',
    { a: { sha256: 'a'.repeat(64) } },
    { a: { sha256: 'a'.repeat(64), executable: true } },
    'differs',
    'became executable',
  ],
  [
    'another date',
    { 'a.buildinfo': dated('1') },
    { 'a.buildinfo': dated('2') },
    'expected',
    'only in Build-Date',
  ],
  [
    'another field',
    { 'a.buildinfo': dated('1') },
    { 'a.buildinfo': `${dated('2')}Build-Path: /b\n` },
    'differs',
    'in Build-Path',
  ],
  [
    'a document that is gone',
    { 'a.buildinfo': dated('1') },
    { 'a.buildinfo': { sha256: 'b'.repeat(64) } },
    'differs',
    undefined,
  ],
])('%s', async (_, first, second, verdict, why) => {
  const { artifacts, isReproducible } = await compared(first, second);
  expect(artifacts).toMatchObject([{ verdict, ...(why === undefined ? {} : { why }) }]);
  expect(artifacts[0]?.why).toBe(why);
  expect(isReproducible).toBe(verdict === 'identical' || verdict === 'expected');
});

test.each<[string, Made, Made, string]>([
  [
    'packages',
    { 'a.deb': '1', 'b.udeb': '2' },
    { 'a.deb': '1', 'b.udeb': '2' },
    'reproducible: 2 packages bit-identical',
  ],
  [
    'a package and its papers',
    { 'a.deb': '1', 'a.dsc': '2', 'a.buildinfo': dated('1') },
    { 'a.deb': '1', 'a.dsc': '2', 'a.buildinfo': dated('2') },
    'reproducible: 1 package and 1 other artifact bit-identical; a.buildinfo differs only in Build-Date',
  ],
  ['others', { a: '1' }, { a: '1' }, 'reproducible: 1 artifact bit-identical'],
  ['nothing', {}, {}, 'reproducible: neither build made anything'],
  [
    'all that can be wrong',
    { a: '1', b: '2', c: '3', e: '5' },
    { a: 'x', b: 'y', d: '4', e: '5' },
    'not reproducible: of 5 artifacts 2 differs, 1 missing, 1 additional',
  ],
])('the verdict on %s', async (_, first, second, verdict) => {
  expect(verdictText(await compared(first, second))).toBe(verdict);
});

test('the text has both builds, each artifact, and the verdict last; a hostile name drives no terminal', async () => {
  const comparison = await compared({ 'a.deb': '1', b: 'x' }, { 'a.deb': '2', 'c\u001b[2Jd': 'x' });
  comparison.second = { ...comparison.second, lock: 'c'.repeat(64) };
  const text = comparisonText(comparison);
  expect(text).toMatch(
    /^first {3}tiny\/\w{8}, run \w{8}, of \S+ on host \(qemu\)\nsecond {2}tiny.*\nnote: the builds had different locks/,
  );
  expect(text).toContain('\n  differs    a.deb\n  missing    b\n  additional cd\nnot reproducible: of 3');
  expect(comparisonDocument(comparison, [])).toMatchObject({
    reproducible: false,
    artifacts: [
      { path: 'a.deb', verdict: 'differs', first: { size: 1 }, second: { size: 1 } },
      { path: 'b', verdict: 'missing' },
      { path: 'c\u001b[2Jd', verdict: 'additional' },
    ],
  });
});

test('a diff is cut to so many lines and says how to see all', () => {
  const diff = { path: 'a', by: 'slipway', text: '1\n2\n3\n', isCut: false } as const;
  expect(differenceText(diff, 2)).toBe(
    'diff of a, by slipway:\n  1\n  2\n… 1 more lines: --diff-lines 0 shows all',
  );
  expect(differenceText(diff, 3)).toBe('diff of a, by slipway:\n  1\n  2\n  3');
  expect(differenceText({ ...diff, isCut: true }, 0)).toMatch(/\n {2}3\n… the rest is too long to be kept$/);
});

test('the result to compare with is the newest that succeeded; before it, the one of an equal request', async () => {
  const store = await testStore();
  const context = { store, slipway: createSlipwayClient({ store }) };
  const put = (minute: number, more: object = {}) =>
    putResult(store, { name: 'tiny', startedAt: new Date(Date.UTC(2026, 0, 1, 0, minute)), ...more });
  const other = await put(0, { request: { resources: { cpus: 1 } } });
  const first = await put(1);
  const second = await put(2, { request: { lock: first.lock } });
  const failed = await put(3, { request: { lock: first.lock }, outcome: 'failed' });
  expect((await newestResult(context, 'tiny', 'succeeded')).run).toBe(second.run);
  expect((await newestResult(context, 'tiny', 'any')).run).toBe(failed.run);
  expect((await resultBefore(context, second)).run).toBe(first.run);
  await expect(resultBefore(context, first)).rejects.toThrow('has no earlier result of an equal request');
  await expect(resultBefore(context, other)).rejects.toThrow('has no earlier result');
  expect(() => mustHaveSucceeded(failed)).toThrow('there is nothing to compare');
  await expect(newestResult(context, 'nothing', 'any')).rejects.toThrow('There is no build "nothing"');
});
