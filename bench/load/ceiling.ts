import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import { startChild } from './child.ts';
import { readRuns } from './histories.ts';
import { median } from './percentile.ts';
import { usageOf } from './usage.ts';

/** What server, SDK and machine can do where the steps of a build do nothing. */
export interface Ceiling {
  workflows: number;
  events: number;
  perMinute: number;
  /** Seconds of CPU for each workflow. */
  serverCpu: number;
  workerCpu: number;
}

/** Events of a workflow that are not those of its steps, and of each step. */
const OTHERS = 5;
const EACH = 6;

/** Runs `count` workflows with about as many `events`, so many `atOnce`. */
export async function measureCeiling(
  client: Client,
  server: { address: string; pid: number },
  count: number,
  events: number,
  options: { atOnce: number; folder: string; signal: AbortSignal; tell: (progress: string) => void },
): Promise<Ceiling> {
  await using worker = await startChild('ceiling-worker.ts', { address: server.address }, options.folder);
  const steps = Math.max(1, Math.round((events - OTHERS) / EACH));
  const before = { server: await usageOf(server.pid), worker: await usageOf(worker.pid) };
  const ids = Array.from({ length: count }, (_, index) => `ceiling/${index}`);
  let ended = 0;
  const run = async (workflowId: string) => {
    const handle = await client.workflow.start('ceiling', {
      ...{ taskQueue: 'ceiling', workflowId, args: [steps], workflowExecutionTimeout: '10m' },
    });
    await handle.result();
    options.signal.throwIfAborted();
    options.tell(`${++ended} of ${count} workflows with nothing in them`);
  };
  await Promise.race([worker.failed, pLimit(options.atOnce).map(ids, run)]);
  const after = { server: await usageOf(server.pid), worker: await usageOf(worker.pid) };
  const runs = await readRuns(client, ids);
  const took = Math.max(...runs.map((run) => run.closedAt)) - Math.min(...runs.map((run) => run.startedAt));
  return {
    workflows: count,
    events: median(runs.map((run) => run.events)),
    perMinute: (count / took) * 60,
    serverCpu: (after.server.cpuSeconds - before.server.cpuSeconds) / count,
    workerCpu: (after.worker.cpuSeconds - before.worker.cpuSeconds) / count,
  };
}
