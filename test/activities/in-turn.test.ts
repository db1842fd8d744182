import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inTurn } from '../../activities/in-turn.ts';

test('the next attempt waits for the one before, however that ends; other leases wait for nobody', async () => {
  const said: string[] = [];
  const step =
    (name: string, milliseconds: number, fails = false) =>
    async () => {
      said.push(`${name} begins`);
      await sleep(milliseconds);
      said.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    };
  const ends = await Promise.allSettled([
    inTurn('a', step('stale', 100, true)),
    inTurn('a', step('next', 0)),
    inTurn('b', step('other', 0)),
    inTurn('a', step('third', 0)),
  ]);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
  expect(said.filter((line) => !line.startsWith('other'))).toEqual([
    ...['stale begins', 'stale ends', 'next begins', 'next ends', 'third begins', 'third ends'],
  ]);
  expect(said.indexOf('other ends')).toBeLessThan(said.indexOf('stale ends'));
});
