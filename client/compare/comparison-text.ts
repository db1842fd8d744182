import type { BuildResult } from '../../schema/result.ts';
import { shortId } from '../../workflows/names.ts';
import { printable } from '../printable.ts';
import { asked, type ComparedArtifact, type Comparison, type Verdict } from './comparison.ts';
import type { Difference } from './differences.ts';

/** A comparison for people: both builds, a line for each artifact, the verdict last. */
export function comparisonText(comparison: Comparison): string {
  const { first, second, artifacts } = comparison;
  return printable(
    [
      `first   ${builtText(first)}`,
      `second  ${builtText(second)}`,
      ...settingLines(comparison),
      ...artifacts.map(artifactLine),
      verdictText(comparison),
    ].join('\n'),
  );
}

function builtText({ build, run, host, vm, kernel, endedAt }: BuildResult): string {
  const on = kernel === undefined ? vm.type : `${vm.type}, kernel ${kernel.release}`;
  return `${shortId(build)}, run ${run.slice(0, 8)}, of ${endedAt} on ${host} (${on})`;
}

/** What was not the same before anything was built. */
function settingLines({ first, second }: Comparison): string[] {
  return [
    ...(first.lock === second.lock ? [] : ['note: the builds had different locks: other inputs went in']),
    ...(asked(first) === asked(second) ? [] : ['note: the builds were asked for in different ways']),
  ];
}

const WORDS: Readonly<Record<Verdict, string>> = {
  identical: 'identical',
  expected: 'same',
  differs: 'differs',
  missing: 'missing',
  additional: 'additional',
};

function artifactLine({ path, verdict, why }: ComparedArtifact): string {
  const said = why === undefined ? '' : verdict === 'expected' ? `: differs ${why}` : `: ${why}`;
  return `  ${WORDS[verdict].padEnd(10)} ${path}${said}`;
}

/** One line that says whether the second build made what the first did. */
export function verdictText({ isReproducible, artifacts }: Comparison): string {
  const having = (verdict: Verdict) => artifacts.filter((each) => each.verdict === verdict);
  if (!isReproducible) {
    const counts = (['differs', 'missing', 'additional'] as const)
      .filter((verdict) => having(verdict).length > 0)
      .map((verdict) => `${having(verdict).length} ${WORDS[verdict]}`);
    return `not reproducible: of ${artifacts.length} artifacts ${counts.join(', ')}`;
  }
  if (artifacts.length === 0) return 'reproducible: neither build made anything';
  const same = identicalText(having('identical'));
  const expected = having('expected').map(({ path, why }) => `${path} differs ${why}`);
  return `reproducible: ${[...(same === '' ? [] : [same]), ...expected].join('; ')}`;
}

function identicalText(identical: readonly ComparedArtifact[]): string {
  const packages = identical.filter(({ path }) => /\.[ud]?deb$/.test(path)).length;
  const others = identical.length - packages;
  const parts = [
    ...(packages === 0 ? [] : [`${packages} package${packages === 1 ? '' : 's'}`]),
    ...(others === 0
      ? []
      : [`${others} ${packages === 0 ? '' : 'other '}artifact${others === 1 ? '' : 's'}`]),
  ];
  if (parts.length === 0) return '';
  return `${parts.join(' and ')} bit-identical`;
}

/** A diff with a headline, cut to so many lines; 0: all that there are. */
export function differenceText({ path, by, text, isCut }: Difference, mostLines: number): string {
  const lines = text.replace(/\n$/, '').split('\n');
  const shown = mostLines === 0 ? lines : lines.slice(0, mostLines);
  const left = lines.length - shown.length;
  const more =
    left > 0
      ? [`… ${left} more lines: --diff-lines 0 shows all`]
      : isCut
        ? ['… the rest is too long to be kept']
        : [];
  return printable([`diff of ${path}, by ${by}:`, ...shown.map((line) => `  ${line}`), ...more].join('\n'));
}

/** What `--json` prints of a comparison. */
export function comparisonDocument(comparison: Comparison, diffs: readonly Difference[]): object {
  const { first, second, isReproducible, artifacts } = comparison;
  const reference = ({ build, run, lock }: BuildResult) => ({ build, run, lock });
  const content = (artifact: ComparedArtifact['first']) =>
    artifact?.sha256 === undefined ? undefined : { size: artifact.size, sha256: artifact.sha256 };
  return {
    reproducible: isReproducible,
    verdict: verdictText(comparison),
    first: reference(first),
    second: reference(second),
    artifacts: artifacts.map(({ path, verdict, why, ...of }) => {
      const diff = diffs.find((each) => each.path === path);
      return { path, verdict, why, first: content(of.first), second: content(of.second), diff };
    }),
  };
}
