import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { doomed, type JudgedResult, type RetentionRules } from '../../retention/rules.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);

/** Results of one package, newest first, by age in days; `!` failed. */
function results(text: string, group = 'hello'): (JudgedResult & { name: string })[] {
  return text.split(' ').map((name) => {
    const at = NOW - Number.parseFloat(name) * DAY;
    return { name, group, outcome: name.endsWith('!') ? 'failed' : 'succeeded', startedAt: at, endedAt: at };
  });
}

describe('which results go', () => {
  test.each<[RetentionRules, string, string]>([
    [{ keepLatestGood: true }, '1 2 3', ''],
    [{ keepLatestGood: true, olderThanSeconds: 2 * 86_400 }, '1 2 3 4', '3 4'],
    [{ keepLatestGood: true, keep: 2 }, '1 2 3 4', '3 4'],
    [{ keepLatestGood: true, keep: 2, olderThanSeconds: 3 * 86_400 }, '1 2 3 4', '4'],
    [{ keepLatestGood: true, keep: 3, olderThanSeconds: 86_400 }, '5 6 7 8', '8'],
    [{ keepLatestGood: true, olderThanSeconds: 86_400 }, '5 6 7', '6 7'],
    [{ keepLatestGood: false, olderThanSeconds: 86_400 }, '5 6 7', '5 6 7'],
    [{ keepLatestGood: true, olderThanSeconds: 86_400 }, '5! 6! 7 8', '5! 6! 8'],
    [{ keepLatestGood: true, keep: 1 }, '5! 6! 7 8', '6! 8'],
    [{ keepLatestGood: false, keep: 1 }, '5! 6! 7 8', '6! 7 8'],
    [{ keepLatestGood: true, keep: 10 }, '1 2 3', ''],
    [{ keepLatestGood: true, keep: 1 }, '1!', ''],
    [{ keepLatestGood: true, olderThanSeconds: 0 }, '1! 2!', '1! 2!'],
  ])('%j of %s: %s', (rules, all, expected) => {
    const gone = doomed(results(all).reverse(), rules, NOW).map(({ name }) => name);
    expect(gone.join(' ')).toBe(expected);
  });

  test('packages are counted on their own', () => {
    const all = [...results('1 2 3', 'a amd64'), ...results('4 5', 'a arm64'), ...results('6!', 'b amd64')];
    const gone = doomed(all, { keepLatestGood: true, keep: 1 }, NOW);
    expect(gone.map(({ group, name }) => `${group} ${name}`)).toEqual([
      'a amd64 2',
      'a amd64 3',
      'a arm64 5',
    ]);
  });
});

const judged = fc.record({
  group: fc.constantFrom('a', 'b', 'c'),
  outcome: fc.constantFrom('succeeded' as const, 'failed' as const),
  startedAt: fc.integer({ min: NOW - 100 * DAY, max: NOW }),
  endedAt: fc.integer({ min: NOW - 100 * DAY, max: NOW }),
});
const rules = fc.record({
  olderThanSeconds: fc.option(fc.integer({ min: 0, max: 100 * 86_400 }), { nil: undefined }),
  keep: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  keepLatestGood: fc.boolean(),
});

test('whatever the rules: each alone must let a result go, the latest good survives, order does not matter', () => {
  fc.assert(
    fc.property(fc.array(judged, { maxLength: 30 }), rules, (all, given) => {
      const gone = new Set(doomed(all, given, NOW));
      for (const group of Map.groupBy(all, (each) => each.group).values()) {
        const newestFirst = group.toSorted((a, b) => b.startedAt - a.startedAt);
        const good = newestFirst.find(({ outcome }) => outcome === 'succeeded');
        if (given.keepLatestGood && good !== undefined) expect(gone.has(good)).toBe(false);
        if (given.keep !== undefined) {
          expect(group.length - group.filter((each) => gone.has(each)).length).toBeGreaterThanOrEqual(
            Math.min(given.keep, group.length),
          );
        }
      }
      for (const { endedAt } of gone) {
        if (given.olderThanSeconds === undefined) continue;
        expect(NOW - endedAt).toBeGreaterThan(given.olderThanSeconds * 1000);
      }
      const distinct = new Set(all.map(({ startedAt }) => startedAt)).size === all.length;
      if (distinct) expect(new Set(doomed(all.toReversed(), given, NOW))).toEqual(gone);
      if (given.olderThanSeconds === undefined && given.keep === undefined) expect(gone.size).toBe(0);
    }),
  );
});
