import type { Client } from '@temporalio/client';
import { SlipwayFailure } from '../schema/failures.ts';
import type { Store } from '../stores/store.ts';
import { BUILD_WORKFLOW } from '../workflows/names.ts';
import { publishedIds, publishedResults } from './records.ts';
import { type BuildReport, fromResult } from './report.ts';

/** How many runs are looked through for an abbreviation. */
const LOOKED_AT = 1000;

/** One run, as little as a list needs. */
interface Run {
  id: string;
  startedAt: number;
}

/** The newest builds, newest first: those that Temporal knows, then older ones that only the store remembers. */
export async function listBuilds(
  client: Client | undefined,
  store: Store,
  limit: number,
): Promise<BuildReport[]> {
  const reports: BuildReport[] = [];
  const completed: BuildReport[] = [];
  if (client !== undefined) {
    for await (const execution of client.workflow.list({ query: queryOf(''), pageSize: limit })) {
      if (reports.length === limit) break;
      const report: BuildReport = {
        id: execution.workflowId,
        run: execution.runId,
        state: stateOf(execution.status.name),
        startedAt: execution.startTime.toISOString(),
        ...(execution.closeTime === undefined ? {} : { endedAt: execution.closeTime.toISOString() }),
        steps: [],
      };
      reports.push(report);
      if (execution.status.name === 'COMPLETED') completed.push(report);
    }
  }
  const known = new Map(reports.map((report) => [report.run, report]));
  const published = await publishedResults(store, 'results/');
  // Completed is not succeeded: the result knows the outcome.
  for (const result of published) Object.assign(known.get(result.run) ?? {}, fromResult(result));
  const has = new Set(published.map(({ run }) => run));
  for (const report of completed) if (!has.has(report.run)) report.resultDeleted = true;
  const forgotten = published.filter(({ run }) => !known.has(run)).map(fromResult);
  return [...reports, ...forgotten]
    .sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt))
    .slice(0, limit);
}

function stateOf(name: string): BuildReport['state'] {
  if (name === 'RUNNING') return 'running';
  if (name === 'COMPLETED') return 'succeeded';
  return name === 'CANCELLED' || name === 'TERMINATED' ? 'cancelled' : 'failed';
}

function queryOf(more: string): string {
  return `WorkflowType = "${BUILD_WORKFLOW}"${more}`;
}

/**
 * Full id from an abbreviation: a package (its newest build), `package/prefix`, or a prefix of the digest (at least 4
 * digits).
 * @throws SlipwayFailure InvalidRequest where nothing or more than one build fits
 */
export async function findBuild(client: Client | undefined, store: Store, text: string): Promise<string> {
  const short = text.replace(/^build\//, '');
  if (/^[a-z0-9][a-z0-9+.-]*\/[0-9a-f]{64}$/.test(short)) return `build/${short}`;
  const match = /^(?:(?<name>[a-z0-9][a-z0-9+.-]*)\/)?(?<prefix>[0-9a-f]{0,64})$/.exec(short);
  const fitting = (run: Run): boolean => {
    const [, name, digest = ''] = run.id.split('/');
    if (name === short) return true;
    if (match?.groups === undefined || (match.groups.name ?? name) !== name) return false;
    const { prefix = '' } = match.groups;
    return (match.groups.name !== undefined || prefix.length >= 4) && digest.startsWith(prefix);
  };
  const runs = (await allRuns(client, store)).filter(fitting).sort((a, b) => b.startedAt - a.startedAt);
  const [newest] = runs;
  if (newest === undefined) throw nothing(text, store.location);
  const ids = [...new Set(runs.map(({ id }) => id))];
  const byPackage = newest.id.startsWith(`build/${short}/`);
  if (ids.length === 1 || byPackage) return newest.id;
  throw new SlipwayFailure('InvalidRequest', `More than one build begins with "${text}".`, {
    items: ids.slice(0, 10),
    advice: 'Give more digits.',
  });
}

function nothing(text: string, location: string): SlipwayFailure {
  return new SlipwayFailure(
    'InvalidRequest',
    `There is no build "${text}", neither in Temporal nor in the store.`,
    {
      advice: `List the builds with slipway status. An id is a package, package/digest, or at least 4 digits of the digest. The store is ${location}.`,
    },
  );
}

async function allRuns(client: Client | undefined, store: Store): Promise<Run[]> {
  const runs: Run[] = [];
  if (client !== undefined) {
    for await (const execution of client.workflow.list({ query: queryOf('') })) {
      runs.push({ id: execution.workflowId, startedAt: execution.startTime.getTime() });
      if (runs.length === LOOKED_AT) break;
    }
  }
  const known = new Set(runs.map(({ id }) => id));
  for (const id of await publishedIds(store)) {
    if (known.has(id)) continue;
    const [newest] = await publishedResults(store, `results/${id}/`);
    if (newest !== undefined) runs.push({ id, startedAt: Date.parse(newest.startedAt) });
  }
  return runs;
}
