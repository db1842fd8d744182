import { publishedResults } from '../client/records.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { shortId } from '../workflows/names.ts';

/**
 * The results that a person means, each once: for each word the newest good one of a package, of a build id, of
 * `package/digits`, or of digits of the digest (4 or more). Needs only the store.
 * @throws SlipwayFailure InvalidRequest that names all words for which there is none, or more than one build
 */
export async function chooseResults(store: Store, words: readonly string[]): Promise<BuildResult[]> {
  const all = rebuildsLast(await publishedResults(store, 'results/'));
  const wrong: string[] = [];
  const chosen = words.flatMap((word) => {
    const found = newestGood(word, all);
    if (typeof found !== 'string') return [found];
    wrong.push(found);
    return [];
  });
  if (wrong.length > 0) {
    throw new SlipwayFailure('InvalidRequest', 'There is nothing to publish of some that were named.', {
      items: wrong,
      advice: `See slipway status; only builds that succeeded can be published. The store is ${store.location}.`,
    });
  }
  return [...new Set(chosen)];
}

/** The newest good result of each package and architecture. */
export async function latestResults(store: Store): Promise<BuildResult[]> {
  const newest = new Map<string, BuildResult>();
  for (const result of rebuildsLast(await publishedResults(store, 'results/'))) {
    const key = `${result.package.name} ${result.request.architecture}`;
    if (result.outcome === 'succeeded' && !newest.has(key)) newest.set(key, result);
  }
  if (newest.size > 0) return [...newest.values()];
  throw new SlipwayFailure('InvalidRequest', 'The store has no result of a build that succeeded.', {
    advice: `Build something first: slipway build hello. The store is ${store.location}.`,
  });
}

/** A rebuild of what is old comes after what was built in its own right, however late it was. */
function rebuildsLast(all: readonly BuildResult[]): BuildResult[] {
  const isRebuild = ({ request }: BuildResult) => request.lock !== undefined;
  return [...all.filter((result) => !isRebuild(result)), ...all.filter(isRebuild)];
}

/** What to say, where there is none. `all` is sorted newest first, rebuilds last. */
function newestGood(word: string, all: readonly BuildResult[]): BuildResult | string {
  const fitting = all.filter((result) => fits(word.replace(/^build\//, ''), result));
  if (fitting.length === 0)
    return `${word}: no build with a result has this name or id; it has not ended, or its result was deleted (slipway gc)`;
  const good = fitting.filter(({ outcome }) => outcome === 'succeeded');
  const [newest] = good;
  if (newest === undefined) return `${word}: none of its builds succeeded`;
  const ids = [...new Set(good.map(({ build }) => build))];
  const isPackage = fitting.some((result) => namesOf(result).includes(word));
  if (ids.length === 1 || isPackage) return newest;
  return `${word}: more than one build: ${ids.slice(0, 5).map(shortId).join(', ')}`;
}

function fits(short: string, result: BuildResult): boolean {
  const [, , digest = ''] = result.build.split('/');
  if (namesOf(result).includes(short)) return true;
  const [, name, prefix = ''] = /^(?:([^/]*)\/)?([0-9a-f]{4,64})$/.exec(short) ?? [];
  return prefix !== '' && digest.startsWith(prefix) && (name === undefined || namesOf(result).includes(name));
}

/** The source package that was built, and what the request called it. */
function namesOf({ build, package: { name } }: BuildResult): string[] {
  return [name, build.split('/')[1] ?? name];
}
