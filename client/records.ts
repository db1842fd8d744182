import { BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { resultRecord } from '../workflows/names.ts';

/** The published result of a run; of the newest one where no run is named. Undefined where there is none. */
export async function publishedResult(
  store: Store,
  id: string,
  run?: string,
): Promise<BuildResult | undefined> {
  if (run !== undefined) return readResult(store, resultRecord(id, run));
  const [newest] = await publishedResults(store, `results/${id}/`);
  return newest;
}

/** All published results under a prefix of records, newest first. */
export async function publishedResults(store: Store, prefix: string): Promise<BuildResult[]> {
  const results: BuildResult[] = [];
  for await (const name of store.listRecords(prefix)) {
    const result = await readResult(store, name);
    if (result !== undefined) results.push(result);
  }
  return results.sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
}

/** Ids of all builds with a result under a prefix of records. */
export async function publishedIds(store: Store, prefix = 'results/'): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const name of store.listRecords(prefix)) ids.add(name.split('/').slice(1, -1).join('/'));
  return ids;
}

async function readResult(store: Store, name: string): Promise<BuildResult | undefined> {
  const bytes = await store.readRecord(name);
  return bytes === undefined ? undefined : BuildResult.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
}
