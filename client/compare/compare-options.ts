import { type Command, Option } from 'commander';
import type { Store } from '../../stores/store.ts';
import { whole } from '../option-values.ts';
import type { Screen } from '../screen.ts';
import type { Comparison } from './comparison.ts';
import { type Difference, differences } from './differences.ts';
import { findDiffoscope } from './diffoscope.ts';

export interface CompareOptions {
  diffoscope: 'auto' | 'never';
  diffLines: number;
}

/** What differs between two builds is shown in the same way by `compare` and `rebuild --compare`. */
export function addCompareOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--diffoscope <when>', 'show what differs with diffoscope')
        .choices(['auto', 'never'])
        .default('auto', 'auto: where it is installed'),
    )
    .option('--diff-lines <n>', 'lines shown of each diff; 0: all', whole, 200);
}

export const COMPARE_HELP = `Artifacts are compared by their digests; logs are not. Of .buildinfo and .changes the meaning counts: that the
build date differs, and with it the checksums of the .buildinfo, is expected.

What differs is shown with diffoscope where it is installed, else by a shorter comparison of our own: control
files, list of files, contents. Both read what the builds made on this machine, as the user who asks (as
nobody where that is root), without a way to gain rights, within limits of time, memory and size. Who does not
trust a package so far leaves diffoscope, which runs many programs over it, out: --diffoscope never.`;

/** The diffs of what differs; the screen says what takes long. */
export async function collectDiffs(
  store: Store,
  comparison: Comparison,
  { diffoscope }: Pick<CompareOptions, 'diffoscope'>,
  screen: Screen,
): Promise<Difference[]> {
  if (comparison.isReproducible) return [];
  const program = diffoscope === 'never' ? undefined : await findDiffoscope();
  const diffs: Difference[] = [];
  if (program !== undefined) screen.status('diffoscope is at work');
  for await (const diff of differences(store, comparison.artifacts, program)) diffs.push(diff);
  screen.end();
  if (diffs.length > 0 && program === undefined && diffoscope === 'auto') {
    screen.line('diffoscope, which shows more, is not installed here');
  }
  return diffs;
}
