import { expect, test } from 'vitest';
import type { BuildReport, NoAnswer } from '../../client/report.ts';
import { NO_WORKER, Silence } from '../../client/silence.ts';
import type { BuildStatus } from '../../workflows/status.ts';

/** What is said after reports, each at its second. */
function said(isLocal: boolean, ...reports: [second: number, NoAnswer | 'answers' | 'away'][]) {
  const silence = new Silence(isLocal);
  return reports.map(([second, what]) => {
    if (what === 'away') return silence.forget();
    const answer = what === 'answers' ? { status: {} as BuildStatus } : { noAnswer: what };
    const report: BuildReport = { id: '', run: '', state: 'running', startedAt: '', steps: [], ...answer };
    return silence.heard(report, second * 1000);
  });
}

test.each<[string, boolean, Parameters<typeof said>[1][], (string | undefined)[]]>([
  ['no worker asks for work', false, [[0, 'no-worker']], [NO_WORKER]],
  [
    'a worker may be busy',
    false,
    [
      [0, 'silent'],
      [29, 'silent'],
      [30, 'silent'],
    ],
    [undefined, undefined, NO_WORKER],
  ],
  [
    'a step runs, however long',
    false,
    [
      [0, 'silent'],
      [25, 'busy'],
      [900, 'busy'],
      [901, 'silent'],
      [931, 'silent'],
    ],
    [undefined, undefined, undefined, undefined, NO_WORKER],
  ],
  [
    'Temporal has restarted and knows no worker yet',
    false,
    [
      [0, 'answers'],
      [1, 'no-worker'],
      [31, 'no-worker'],
    ],
    [undefined, undefined, NO_WORKER],
  ],
  [
    'an outage is no silence of a worker',
    false,
    [
      [0, 'silent'],
      [1, 'away'],
      [60, 'silent'],
    ],
    [undefined, undefined, undefined],
  ],
])('%s', (_, isLocal, reports, texts) => {
  expect(said(isLocal, ...reports)).toEqual(texts);
});

test('of a worker that was brought for the build nobody is told to start one', () => {
  const [early, late] = said(true, [0, 'no-worker'], [30, 'no-worker']);
  expect(early).toBeUndefined();
  expect(late).toMatch(/busy/);
  expect(late).not.toMatch(/start|slipway (dev|worker)/);
});
