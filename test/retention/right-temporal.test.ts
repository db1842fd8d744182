import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../../retention/gc.ts';
import { putResult } from '../support/results.ts';
import { agedStore, DAY, noBuilds, options } from './fixtures/aged-store.ts';

/** What of the store goes where Temporal knows the named packages, and is in use or not. */
async function gc(hours: Record<string, number>, known: readonly string[], isInUse = true) {
  const { store, records } = await agedStore();
  for (const [name, ago] of Object.entries(hours)) {
    await putResult(store, { name, startedAt: new Date(Date.now() - (ago / 24) * DAY) });
  }
  const builds = {
    ...noBuilds,
    knows: async (build: string) => known.includes(build.split('/')[1] ?? ''),
    isInUse: async () => isInUse,
  };
  const rules = { olderThanSeconds: 0, keepLatestGood: false };
  const collected = collectGarbage(options(store, { builds, rules }));
  return { collected, records };
}

describe('a Temporal is believed', () => {
  test.each<[string, Record<string, number>, string[], boolean]>([
    ['that knows the newest result', { old: 100, mine: 1 }, ['mine'], false],
    [
      'that knows one of them, beside those of build --local',
      { old: 100, mine: 11, aa: 1, bb: 2 },
      ['mine'],
      true,
    ],
    ['that is in use, where nothing was built just now', { old: 100, other: 13 }, [], true],
    ['that is in use, where nothing was built ever', {}, [], true],
  ])('%s', async (_, hours, known, isInUse) => {
    const { collected } = await gc(hours, known, isInUse);
    expect((await collected).results).toHaveLength('old' in hours ? 1 : 0);
  });
});

describe('a Temporal is refused, and nothing goes,', () => {
  const another = /not the one of the workers, or .* by build --local on the same store/;
  test.each<[string, Record<string, number>, boolean, RegExp]>([
    ['that does not know the only one', { old: 100, local: 1 }, true, another],
    [
      'that knows none of several',
      { old: 100, aa: 1, bb: 2 },
      true,
      /does not know any of the newest 2 builds/,
    ],
    ['that nobody uses', { old: 100 }, false, /it knows no build, no worker polls it/],
    ['that nobody uses, of an empty store', {}, false, /it knows no build/],
  ])('%s', async (_, hours, isInUse, message) => {
    const { collected, records } = await gc(hours, [], isInUse);
    await expect(collected).rejects.toMatchObject({
      type: 'HostUnfit',
      message: expect.stringMatching(message),
      more: { advice: expect.stringMatching(/TEMPORAL_ADDRESS.*--without-temporal/) },
    });
    expect(await records()).toHaveLength(Object.keys(hours).length);
  });
});
