import pLimit from 'p-limit';
import { BuildResult } from '../schema/result.ts';
import type { Store } from '../stores/store.ts';
import { digestsInText, RESULTS, type References, referencesIn } from './references.ts';
import type { JudgedResult } from './rules.ts';

/** A published result as retention sees it. */
export interface KnownResult extends JudgedResult {
  /** Name of its record. */
  record: string;
  build: string;
  run: string;
  version: string;
  references: References;
}

export interface Inventory {
  results: KnownResult[];
  /** Records that are no result of this version of slipway: they stay, with all that they refer to. */
  unreadable: { record: string; references: References }[];
}

/** Reads at a time. */
const PARALLEL = 16;

/** All results of a store, but those whose records are `known` already. */
export async function readInventory(
  store: Store,
  known: ReadonlySet<string> = new Set(),
): Promise<Inventory> {
  const inventory: Inventory = { results: [], unreadable: [] };
  const names: string[] = [];
  for await (const name of store.listRecords(RESULTS)) if (!known.has(name)) names.push(name);
  const limit = pLimit({ concurrency: PARALLEL, rejectOnClear: true });
  await limit.map(names, async (record) => {
    const bytes = await store.readRecord(record);
    // Deleted meanwhile, by another gc.
    if (bytes === undefined) return;
    const value = jsonOf(bytes);
    const parsed = BuildResult.safeParse(value);
    if (parsed.success) inventory.results.push(knownResult(record, parsed.data, referencesIn(value)));
    else inventory.unreadable.push({ record, references: anyReferences(bytes) });
  });
  return inventory;
}

function knownResult(record: string, result: BuildResult, references: References): KnownResult {
  const { build, run, outcome, package: what, startedAt, endedAt } = result;
  return {
    ...{ record, build, run, outcome, references, version: what.version, group: groupOf(result) },
    startedAt: Date.parse(startedAt),
    endedAt: Date.parse(endedAt),
  };
}

/** A package that is built for several architectures or distributions is as many packages. */
function groupOf({ package: { name }, request }: BuildResult): string {
  const suites = (request.repositories ?? []).flatMap((repository) => repository.suites);
  return [name, request.architecture, ...new Set(suites)].join(' ');
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** In what this version does not understand any digest may name a document. */
function anyReferences(bytes: Uint8Array): References {
  const digests = digestsInText(bytes);
  return { digests, documents: new Set(digests) };
}
