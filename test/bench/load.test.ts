import { expect, test } from 'vitest';
import { loadArguments } from '../../bench/load/arguments.ts';
import { figuresOf } from '../../bench/load/histories.ts';
import { limitOf } from '../../bench/load/limit.ts';
import { growth, memoryOf, type Sample } from '../../bench/load/memory.ts';
import { percentile } from '../../bench/load/percentile.ts';
import { usageOf } from '../../bench/load/usage.ts';

test.each([
  [[1, 2, 3, 4], 0.5, 2],
  [[4, 3, 2, 1], 0.99, 4],
  [[7], 0.5, 7],
  [[], 0.5, Number.NaN],
])('of %j the share %d does not exceed %d', (values, share, value) => {
  expect(percentile(values, share)).toBe(value);
});

/** A sample for each of a hundred steps of a run, its memory and files by how far it is. */
function samples(
  builds: number,
  rssMiB: (share: number) => number,
  fds: (share: number) => number,
): Sample[] {
  return Array.from({ length: 101 }, (_, percent) => ({
    done: (percent / 100) * builds,
    usage: { rssMiB: rssMiB(percent / 100), fds: fds(percent / 100), cpuSeconds: 0, childrenCpuSeconds: 0 },
  }));
}

const FLAT = () => 40;

test.each<[string, number, (share: number) => number, (share: number) => number, RegExp[]]>([
  ['memory that settles', 1000, (share) => 200 + 300 * Math.min(share, 0.2), FLAT, []],
  ['a heap that breathes', 1000, (share) => 300 + 40 * Math.sin(share * 50), FLAT, []],
  ['memory that grows by 200 KiB a build', 1000, (share) => 200 + 200 * share, FLAT, [/^memory is not flat/]],
  ['memory that grows by 30 KiB a build, of many', 10_000, (share) => 200 + 300 * share, FLAT, [/^memory/]],
  ['a worker that gets warm', 60, (share) => 200 + 100 * share, FLAT, []],
  ['open files that grow', 1000, FLAT, (share) => 40 + 100 * share, [/^open files are not flat/]],
])('%s: %i builds', (_, builds, rss, fds, problems) => {
  const memory = memoryOf(samples(builds, rss, fds), builds);
  expect(growth(memory, builds)).toEqual(problems.map((problem) => expect.stringMatching(problem)));
});

test('what a history says: the wait for a place, attempts, who published', () => {
  const at = (seconds: number) => ({ eventTime: { seconds, nanos: 500_000_000 } });
  const order = (name: string) => ({ activityTaskScheduledEventAttributes: { activityType: { name } } });
  const done = (scheduledEventId: number, result?: object) => ({
    activityTaskCompletedEventAttributes: {
      ...{ scheduledEventId, startedEventId: scheduledEventId + 1 },
      ...(result && { result: { payloads: [{ data: Buffer.from(JSON.stringify(result)) }] } }),
    },
  });
  // biome-ignore lint/suspicious/noExplicitAny: numbers where the wire has 64-bit integers
  const events: any[] = [
    { ...at(10), workflowExecutionStartedEventAttributes: {} },
    { ...at(11), ...order('claimHost') },
    { ...at(14), activityTaskStartedEventAttributes: { attempt: 3 } },
    { ...at(15), ...done(2) },
    { ...at(20), ...order('publishResult') },
    { ...at(21), activityTaskStartedEventAttributes: { attempt: 1 } },
    { ...at(22), ...done(5, { first: true }) },
    { ...at(23), workflowExecutionCompletedEventAttributes: {} },
  ];
  expect(figuresOf(events, 1234)).toEqual({
    ...{ outcome: 'completed', startedAt: 10.5, closedAt: 23.5, events: 8, bytes: 1234, queueWait: 5 },
    steps: [
      { type: 'claimHost', attempts: 3, waited: 3, worked: 1 },
      { type: 'publishResult', attempts: 1, waited: 1, worked: 1, first: true },
    ],
  });
  expect(figuresOf(events.slice(0, 4), 1).outcome).toBe('open');
});

test('what a process uses is read from the kernel, whatever its name', async () => {
  const usage = await usageOf(process.pid);
  expect(usage.rssMiB).toBeCloseTo(process.memoryUsage.rss() / 1024 ** 2, -2);
  expect(usage.fds).toBeGreaterThan(3);
  expect(usage.cpuSeconds).toBeGreaterThan(0);
  await expect(usageOf(0)).rejects.toThrow('ENOENT');
});

const QUARTERS = { server: 25, worker: 25, children: 25, client: 25 };

test.each([
  [{ idle: 5, busy: 95 }, 0.2, /^the CPU of the host: Temporal 25 %, the worker 25 %, .* idle 5 %$/],
  [{ idle: 100, busy: 100 }, 0.95, /^the places of the host, 95 % of them taken \(CPU: Temporal 13 %/],
  [{ idle: 100, busy: 100 }, 0.4, /^neither CPU nor places, 40 % of them taken/],
  [{ idle: 0, busy: 200 }, 0.4, /others on the machine 50 %, idle 0 %$/],
])(
  'where of CPU there was %j and of the places %d were taken it is said what the limit is',
  (of, taken, words) => {
    expect(limitOf(of, QUARTERS, taken)).toMatch(words);
  },
);

test('without options it is a thousand builds, with the fake guest', () => {
  expect(loadArguments([])).toEqual({
    ...{ builds: 1000, capacity: 8, guest: 'fake', ceiling: 200, patienceSeconds: 300, json: false },
  });
  expect(loadArguments(['--builds', '5000', '--guest', 'instant', '--json', '--ceiling', '0'])).toMatchObject(
    {
      ...{ builds: 5000, guest: 'instant', ceiling: 0, json: true },
    },
  );
});

test.each([
  [['--builds', '0'], '--builds is a whole number of at least 1, not 0'],
  [['--capacity', 'many'], '--capacity is a whole number of at least 1, not many'],
  [['--ceiling=-1'], '--ceiling is a whole number of at least 0, not -1'],
  [['--patience', '1.5'], '--patience is a whole number of at least 1, not 1.5'],
  [['--guest', 'qemu'], '--guest is one of fake, instant, not qemu'],
  [['--nonsense'], "Unknown option '--nonsense'"],
  [['5000'], "Unexpected argument '5000'"],
])('%j is refused', (argv, words) => {
  expect(() => loadArguments(argv)).toThrow(words);
});
