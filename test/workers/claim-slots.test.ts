import { setTimeout as sleep } from 'node:timers/promises';
import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { ClaimSlots } from '../../workers/claim-slots.ts';

/** Long enough for every permit that is given at once. */
const SOON = 20;
const slotInfo: ActivitySlotInfo = { type: 'activity', activityType: 'claimHost' };

/** A host of so many places, of which so many are taken, and the pollers of its queues. */
function host(places: number, taken = 0) {
  const of = { taken };
  const slots = new ClaimSlots({ places, taken: async () => of.taken });
  return {
    slots,
    /** Places are taken or given back. */
    take: (count: number) => {
      of.taken = count;
      slots.wake();
    },
    poller: (queue: string) => poller(slots, queue),
  };
}

/** As the SDK: asks for leave to poll, and for the next as soon as it has it. */
function poller(slots: ClaimSlots, queue: string) {
  const supplier: CustomSlotSupplier<ActivitySlotInfo> = slots.supplier(queue);
  const permits: SlotPermit[] = [];
  const stopped = new AbortController();
  const ask = async (): Promise<void> => {
    const context = { slotType: 'activity', taskQueue: queue, isSticky: false } as const;
    const permit = await supplier.reserveSlot(
      { ...context, workerIdentity: '', workerBuildId: '' },
      stopped.signal,
    );
    permits.push(permit);
    await ask();
  };
  const ended = ask();
  ended.catch(() => undefined);
  const last = () => permits.at(-1) ?? expect.fail('there is no permit');
  return {
    /** How many permits it was given in all. */
    given: () => permits.length,
    isAnswered: () => supplier.markSlotUsed({ slotInfo, permit: last() }),
    /** Of the one before the last, where the next poll has begun already. */
    hasClaimed: (index = permits.length - 1) =>
      supplier.releaseSlot({ slotInfo, permit: permits[index] ?? last() }),
    hasNoAnswer: () => supplier.releaseSlot({ permit: last() }),
    stop: () => {
      stopped.abort(new Error('stopped'));
      return ended;
    },
  };
}

test('every queue of an idle host is polled at once, each by one poll, whatever the number of places', async () => {
  const { poller } = host(1);
  const pollers = ['a', 'b', 'c', 'd', 'e'].map(poller);
  await sleep(SOON);
  expect(pollers.map(({ given }) => given())).toEqual([1, 1, 1, 1, 1]);
});

test.each([
  [1, 1],
  [4, 4],
  [2, 3],
])('a host of %i places of which %i are taken polls nothing', async (places, taken) => {
  const { poller } = host(places, taken);
  const pollers = ['a', 'b'].map(poller);
  await sleep(SOON);
  expect(pollers.map(({ given }) => given())).toEqual([0, 0]);
});

test('a place that is given back is polled for at once', async () => {
  const { poller, take } = host(2, 2);
  const one = poller('a');
  await sleep(SOON);
  take(1);
  await sleep(SOON);
  expect(one.given()).toBe(1);
});

test('a place that another process gives back is found within a second', async () => {
  const of = { taken: 1 };
  const one = poller(new ClaimSlots({ places: 1, taken: async () => of.taken }), 'a');
  await sleep(SOON);
  of.taken = 0;
  await expect.poll(one.given, { timeout: 1500 }).toBe(1);
});

test('a claim at work takes a place', async () => {
  const { poller } = host(2, 1);
  const [a, b] = [poller('a'), poller('b')];
  await sleep(SOON);
  a.isAnswered();
  b.hasNoAnswer();
  await sleep(100);
  expect([a.given(), b.given()]).toEqual([1, 1]);
});

test('the poll of a queue in which somebody waited keeps the place from others, but not for long', async () => {
  const { poller, take } = host(1);
  const [a, b] = [poller('a'), poller('b')];
  await sleep(SOON);
  a.isAnswered();
  b.hasNoAnswer();
  take(1);
  a.hasClaimed();
  await sleep(SOON);
  take(0);
  await sleep(SOON);
  expect([a.given(), b.given()]).toEqual([2, 1]);
  await expect.poll(b.given, { timeout: 1500 }).toBe(2);
});

test('queues in which somebody waits take turns, and come before those in which nobody does', async () => {
  const { poller, take } = host(1, 0);
  const [idle, a, b] = [poller('idle'), poller('a'), poller('b')];
  await sleep(SOON);
  // All were let poll; a and b are answered, one after the other, the third is not.
  a.isAnswered();
  b.isAnswered();
  idle.hasNoAnswer();
  take(1);
  a.hasClaimed();
  b.hasClaimed();
  await sleep(SOON);
  expect([idle.given(), a.given(), b.given()]).toEqual([1, 1, 1]);
  const turns: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const before = [a.given(), b.given()];
    take(0);
    await expect.poll(() => a.given() + b.given()).toBeGreaterThan((before[0] ?? 0) + (before[1] ?? 0));
    const [name, one] = a.given() > (before[0] ?? 0) ? (['a', a] as const) : (['b', b] as const);
    turns.push(name);
    one.isAnswered();
    take(1);
    one.hasClaimed();
    await sleep(SOON);
  }
  expect(new Set(turns.slice(0, 2)).size).toBe(2);
  expect(new Set(turns.slice(2)).size).toBe(2);
});

test('a queue whose claim was refused is not polled for a second, others are', async () => {
  const { slots, poller } = host(9, 1);
  const [a, b] = [poller('a'), poller('b')];
  await sleep(SOON);
  slots.refused('a');
  a.isAnswered();
  b.isAnswered();
  a.hasClaimed();
  b.hasClaimed();
  await sleep(500);
  expect([a.given(), b.given()]).toEqual([1, 2]);
  await expect.poll(a.given, { timeout: 1500 }).toBe(2);
});

test('who is told to stop waits no longer, and takes no place with it', async () => {
  const { poller, take } = host(1, 1);
  const [a, b] = [poller('a'), poller('b')];
  await expect(a.stop()).rejects.toThrow('stopped');
  take(0);
  await sleep(SOON);
  expect([a.given(), b.given()]).toEqual([0, 1]);
});

test('where places cannot be counted the claim is let try, so that it can say why', async () => {
  const slots = new ClaimSlots({ places: 1, taken: () => Promise.reject(new Error('no such folder')) });
  const one = poller(slots, 'a');
  await sleep(SOON);
  expect(one.given()).toBe(1);
});

test('none is claimed without a poll', () => {
  const { slots } = host(1);
  const context = { slotType: 'activity', taskQueue: 'a', isSticky: false } as const;
  expect(
    slots.supplier('a').tryReserveSlot({ ...context, workerIdentity: '', workerBuildId: '' }),
  ).toBeNull();
});
