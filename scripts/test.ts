/**
 * `npm test [-- fast|temporal|guests|slow …]`: static checks, then the parts of the test suite one after the other (without
 * any named all but `slow`), then a look whether they left anything on the machine. Ends with a line `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { leftOvers } from '../test/support/left-overs.ts';

const PARTS = {
  fast: 'units and contracts on real files, commands and repositories',
  temporal: 'workflows on a real Temporal server, guests faked',
  guests: 'real guests under QEMU and in containers',
  slow: 'whole packages of every kind, for minutes each',
};
type Part = keyof typeof PARTS;

const root = resolve(import.meta.dirname, '..');
const bin = (name: string) => resolve(root, 'node_modules/.bin', name);
const reports = resolve(root, '.slipway/test');
/** Without the servers of whoever runs this: the tests start their own. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_')));
const total = { passed: 0, failed: 0 };
/** Told once more at the end, where whoever sees only the end of a long output looks. */
const failures: string[] = [];

function count(title: string, ok: boolean): void {
  total[ok ? 'passed' : 'failed'] += 1;
  if (!ok) failures.push(title);
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${title}\n`);
}

function check(title: string, argv: [string, ...string[]]): void {
  const { status } = spawnSync(argv[0], argv.slice(1), { cwd: root, stdio: 'inherit' });
  count(title, status === 0);
}

/** Runs one part and adds its counts; a run that ends without a report, or without a test, is a failure. */
function runPart(part: Part): void {
  process.stdout.write(`\n── ${part}: ${PARTS[part]}\n`);
  const report = resolve(reports, `${part}.json`);
  rmSync(report, { force: true });
  const { status } = spawnSync(
    process.execPath,
    [
      bin('vitest'),
      'run',
      '--project',
      part,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { cwd: root, env, stdio: 'inherit' },
  );
  const { numPassedTests = 0, numFailedTests = 0, testResults = [] } = readReport(report);
  total.passed += numPassedTests;
  total.failed += numFailedTests;
  failures.push(...testResults.flatMap(failed));
  if (numPassedTests + numFailedTests === 0 || (status !== 0 && numFailedTests === 0))
    count(`${part} ran to its end`, false);
}

/** What is read of vitest's report; it has more. */
interface Report {
  numPassedTests?: number;
  numFailedTests?: number;
  testResults?: FileResult[];
}
interface FileResult {
  name: string;
  assertionResults: { status: string; fullName: string; failureMessages?: string[] | null }[];
}

/** A line for each failed test, and the first line of what went wrong. */
function failed({ name, assertionResults }: FileResult): string[] {
  return assertionResults
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => {
      const [why = ''] = (failureMessages?.[0] ?? '').split('\n');
      return `${relative(root, name)}: ${fullName}\n       ${why.slice(0, 300)}`;
    });
}

function readReport(path: string): Report {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {};
  }
}

/** What is too slow for every day: `npm run test:guests`, and CI. */
const USUAL: readonly Part[] = ['fast', 'temporal', 'guests'];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  process.stderr.write(`no such part: ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}\n`);
  process.exit(2);
}

mkdirSync(reports, { recursive: true });
const before = await leftOvers();
check('style (biome)', [bin('biome'), 'check', '.']);
check('types (tsc)', [bin('tsc'), '--noEmit']);
check('schemas and their documents are up to date', [process.execPath, 'schema/generate.ts', '--check']);
for (const part of Object.keys(PARTS) as Part[])
  if ((asked.length === 0 ? USUAL : asked).includes(part)) runPart(part);

const left = (await leftOvers()).filter((thing) => !before.includes(thing));
for (const thing of left) process.stdout.write(`left behind: ${thing}\n`);
count('nothing left behind: no loop device, mount, guest or supervisor', left.length === 0);
for (const failure of failures) process.stdout.write(`FAIL ${failure}\n`);
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
