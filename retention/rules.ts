/** Which results may go. A result goes where all rules that are given let it go. */
export interface RetentionRules {
  /** Seconds since its build ended, then it may go. */
  olderThanSeconds?: number | undefined;
  /** Newest results of each package that stay, whatever their age. */
  keep?: number | undefined;
  /** The newest result of each package that succeeded stays in any case. */
  keepLatestGood: boolean;
}

/** A result as the rules see it. */
export interface JudgedResult {
  /** What counts as one package: those of other architectures or suites are counted on their own. */
  group: string;
  outcome: 'succeeded' | 'failed';
  /** Milliseconds since 1970. */
  startedAt: number;
  endedAt: number;
}

/** Whether there is any rule by which something may go. */
export function hasRule({ olderThanSeconds, keep }: RetentionRules): boolean {
  return olderThanSeconds !== undefined || keep !== undefined;
}

/** The results that go by the rules; none without a rule. `now` is in milliseconds since 1970. */
export function doomed<Result extends JudgedResult>(
  results: readonly Result[],
  rules: RetentionRules,
  now: number,
): Result[] {
  if (!hasRule(rules)) return [];
  return [...Map.groupBy(results, ({ group }) => group).values()].flatMap((group) => {
    const newestFirst = group.toSorted((a, b) => b.startedAt - a.startedAt);
    const latestGood = newestFirst.find(({ outcome }) => outcome === 'succeeded');
    return newestFirst.filter((result, rank) => {
      if (rules.keepLatestGood && result === latestGood) return false;
      if (rules.keep !== undefined && rank < rules.keep) return false;
      const { olderThanSeconds } = rules;
      return olderThanSeconds === undefined || now - result.endedAt > olderThanSeconds * 1000;
    });
  });
}
