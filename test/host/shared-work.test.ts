import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { SharedWork } from '../../host/shared-work.ts';

const FOREVER = new AbortController().signal;

test('what is asked for while it is being done is done once; afterwards anew', async () => {
  const shared = new SharedWork<number>();
  let times = 0;
  const work = async () => {
    times += 1;
    await sleep(20);
    return times;
  };
  const both = [shared.run('a', FOREVER, work), shared.run('a', FOREVER, work)];
  const other = shared.run('b', FOREVER, work);
  expect(await Promise.all(both)).toEqual([2, 2]);
  expect(await other).toBe(2);
  expect(await shared.run('a', FOREVER, work)).toBe(3);
});

test('a failure is told to all, and the next one tries again', async () => {
  const shared = new SharedWork<string>();
  const fail = async () => Promise.reject(new Error('no'));
  const both = [shared.run('a', FOREVER, fail), shared.run('a', FOREVER, fail)];
  for (const each of both) await expect(each).rejects.toThrow('no');
  expect(await shared.run('a', FOREVER, async () => 'yes')).toBe('yes');
});

test('who gives up leaves it to the others; the last one ends it, and waits for its end', async () => {
  const shared = new SharedWork<void>();
  const events: string[] = [];
  const work = async (signal: AbortSignal) => {
    await sleep(5000, undefined, { signal }).catch(() => events.push('told'));
    await sleep(20);
    events.push('ended');
    throw signal.reason;
  };
  const [one, two] = [new AbortController(), new AbortController()];
  const first = shared.run('a', one.signal, work);
  const second = shared.run('a', two.signal, work);
  one.abort(new Error('one'));
  await expect(first).rejects.toThrow('one');
  expect(events).toEqual([]);
  two.abort(new Error('two'));
  const third = shared.run('a', FOREVER, async () => void events.push('anew'));
  await expect(second).rejects.toThrow('two');
  await third;
  expect(events).toEqual(['anew', 'told', 'ended']);
});

test('news go to all who wait, and are counted by one of them', async () => {
  const shared = new SharedWork<void, number>();
  const heard: [who: string, news: number, isFirst: boolean][] = [];
  const listen = (who: string) => (news: number, isFirst: boolean) => void heard.push([who, news, isFirst]);
  const work = async (_: AbortSignal, tell: (news: number) => void) => {
    await sleep(10);
    tell(1);
  };
  await Promise.all([
    shared.run('a', FOREVER, work, listen('x')),
    shared.run('a', FOREVER, work, listen('y')),
  ]);
  expect(heard).toEqual([
    ['x', 1, true],
    ['y', 1, false],
  ]);
});
