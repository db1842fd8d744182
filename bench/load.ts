/**
 * `npm run bench:load [-- --builds 1000] [--capacity 8] [--guest fake|instant] [--ceiling 200] [--patience 300] [--json]`:
 * how many builds a minute one worker does when many wait, how long they wait, and what is the limit. Ends with 1 where
 * a build was lost, published twice or left something, or the worker's memory is not flat; with 2 for wrong options.
 */
import { Screen } from '../client/screen.ts';
import { type LoadArguments, loadArguments } from './load/arguments.ts';
import { text } from './load/report.ts';
import { runLoad } from './load/run-load.ts';

function asked(): LoadArguments {
  try {
    return loadArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(2);
  }
}

const { json, ...options } = asked();
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
const screen = new Screen(process.stderr);
try {
  const report = await runLoad({
    ...options,
    signal: stop.signal,
    tell: (progress) => screen.status(progress),
  });
  screen.end();
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : `${text(report)}\n`);
  for (const problem of report.problems) process.stderr.write(`PROBLEM ${problem}\n`);
  process.exitCode = report.problems.length === 0 ? 0 : 1;
} catch (error) {
  screen.end();
  process.stderr.write(`${stop.signal.aborted ? stop.signal.reason.message : (error as Error).stack}\n`);
  process.exitCode = 1;
}
