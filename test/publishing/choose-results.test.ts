import { expect, test } from 'vitest';
import { chooseResults, latestResults } from '../../publishing/choose-results.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { putResult } from '../support/results.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const day = (number: number) => new Date(Date.UTC(2026, 0, number));

async function setting() {
  const store = createDirectoryStore({ directory: await temporaryFolder() });
  const put = (name: string, version: string, at: number, more: object = {}) =>
    putResult(store, { name, version, startedAt: day(at), ...more });
  return {
    store,
    old: await put('hello', '1', 1),
    good: await put('hello', '2', 2),
    failed: await put('hello', '3', 3, { outcome: 'failed' }),
    never: await put('never', '1', 4, { outcome: 'failed' }),
    other: await put('other', '1', 5),
  };
}

test('builds are chosen by package (the newest good one), by id and by its abbreviations, each once', async () => {
  const { store, old, good, other } = await setting();
  const digest = (build: string) => build.split('/')[2] ?? '';
  const runs = async (...words: string[]) => (await chooseResults(store, words)).map(({ run }) => run);
  expect(await runs('hello')).toEqual([good.run]);
  expect(await runs(old.build)).toEqual([old.run]);
  expect(await runs(`hello/${digest(old.build).slice(0, 6)}`)).toEqual([old.run]);
  expect(await runs(digest(other.build).slice(0, 8))).toEqual([other.run]);
  expect(await runs('hello', 'other', good.build)).toEqual([good.run, other.run]);
  expect((await latestResults(store)).map(({ run }) => run).sort()).toEqual([good.run, other.run].sort());
});

test('a rebuild of an old version is not the newest, but is chosen by its id, or where there is no other', async () => {
  const { store, good } = await setting();
  const lock = 'a'.repeat(64);
  const again = await putResult(store, { name: 'hello', version: '1', startedAt: day(9), request: { lock } });
  const only = await putResult(store, { name: 'only', startedAt: day(9), request: { lock } });
  const chosen = await chooseResults(store, ['hello', again.build, 'only']);
  expect(chosen.map(({ run }) => run)).toEqual([good.run, again.run, only.run]);
  expect((await latestResults(store)).map(({ run }) => run)).not.toContain(again.run);
});

test('what cannot be published is named, all of it', async () => {
  const { store, failed } = await setting();
  await expect(
    chooseResults(store, ['nosuch', 'never', failed.build, 'hello', '../x']),
  ).rejects.toMatchObject({
    type: 'InvalidRequest',
    more: {
      items: [
        'nosuch: no build with a result has this name or id; it has not ended, or its result was deleted (slipway gc)',
        'never: none of its builds succeeded',
        `${failed.build}: none of its builds succeeded`,
        '../x: no build with a result has this name or id; it has not ended, or its result was deleted (slipway gc)',
      ],
    },
  });
  const empty = createDirectoryStore({ directory: await temporaryFolder() });
  await expect(latestResults(empty)).rejects.toMatchObject({ type: 'InvalidRequest' });
});

test('digits that fit more than one build are not enough', async () => {
  const store = createDirectoryStore({ directory: await temporaryFolder() });
  const results = [];
  const seen = new Map<string, string>();
  // By chance, but soon: two builds whose digests begin alike.
  for (let version = 0; ; version++) {
    const result = await putResult(store, { name: 'many', version: `${version}` });
    results.push(result);
    const prefix = result.build.split('/')[2]?.slice(0, 4) ?? '';
    if (seen.has(prefix)) {
      await expect(chooseResults(store, [prefix])).rejects.toMatchObject({
        more: { items: [expect.stringContaining('more than one build')] },
      });
      return;
    }
    seen.set(prefix, result.build);
  }
});
