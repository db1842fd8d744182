import type { Command } from 'commander';
import {
  addCompareOptions,
  COMPARE_HELP,
  type CompareOptions,
  collectDiffs,
} from '../compare/compare-options.ts';
import { compareResults } from '../compare/comparison.ts';
import { comparisonDocument, comparisonText, differenceText } from '../compare/comparison-text.ts';
import { mustHaveSucceeded, newestResult, resultBefore } from '../compare/earlier-results.ts';
import { configurationOf, openContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { Screen } from '../screen.ts';

interface Options extends CompareOptions {
  json?: boolean;
}

export function addCompareCommand(program: Command): void {
  const command = program
    .command('compare')
    .summary('whether two builds made the same')
    .description('Compares what two builds made, artifact by artifact, and shows what differs.')
    .argument('<build>', 'a package (its newest build), package/digest, or 4 digits of the digest or more')
    .argument(
      '[other]',
      'the second one; without, BUILD is the second: the one before it of an equal request is the first',
    )
    .option('--json', 'as JSON')
    .addHelpText('after', `\n${COMPARE_HELP}`);
  addCompareOptions(command).action(async (text: string, otherText: string | undefined, options: Options) => {
    const context = await openContext(await configurationOf(command), 'store');
    const named = await newestResult(context, text, 'succeeded');
    mustHaveSucceeded(named);
    const [first, second] =
      otherText === undefined
        ? [await resultBefore(context, named), named]
        : [named, await newestResult(context, otherText, 'succeeded')];
    mustHaveSucceeded(second);
    const comparison = await compareResults(context.store, first, second);
    const screen = new Screen(options.json ? process.stderr : process.stdout);
    const diffs = await collectDiffs(context.store, comparison, options, screen);
    if (options.json) console.log(JSON.stringify(comparisonDocument(comparison, diffs), null, 2));
    else {
      for (const diff of diffs) console.log(`${differenceText(diff, options.diffLines)}\n`);
      console.log(comparisonText(comparison));
    }
    process.exitCode = comparison.isReproducible ? EXIT.ok : EXIT.notReproducible;
  });
}
