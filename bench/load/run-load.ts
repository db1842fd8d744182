import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { createDirectoryStore } from '../../stores/directory.ts';
import { processesOf } from '../../test/support/vm-processes.ts';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { startTemporalServer } from '../../workers/temporal-server.ts';
import { BUILD_WORKFLOW } from '../../workflows/names.ts';
import { machine } from '../machine.ts';
import { measureCeiling } from './ceiling.ts';
import { type Child, startChild } from './child.ts';
import { type RunFigures, readRuns } from './histories.ts';
import { limitOf, type MachineCpu, machineCpu } from './limit.ts';
import { growth, memoryOf, type Sample } from './memory.ts';
import type { LoadOptions, LoadWorker } from './options.ts';
import { figures, type LoadReport } from './report.ts';
import { submitBuilds, waitForAll } from './submit.ts';
import { type Usage, usageOf } from './usage.ts';

/** What the builds ran on; all of it is gone when it is disposed of. */
interface Setting {
  folder: string;
  client: Client;
  server: { address: string; pid: number };
  told: LoadWorker;
}

/**
 * Submits many builds at once to a Temporal server and a worker of its own, in which all is real but guests and inputs,
 * and says what happened. Leaves nothing behind.
 * @throws where the builds cannot even be run; builds that are lost are problems of the report
 */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  await using stack = new AsyncDisposableStack();
  const before = loadavg()[0] ?? 0;
  options.tell('starting');
  const setting = await prepare(options, stack);
  const { ids, samples, used, machineUsed, leftProcesses } = await measure(setting, options);
  const runs = await readRuns(setting.client, ids);
  const said = figures(runs);
  const memory = memoryOf(samples, options.builds);
  const after = loadavg()[0] ?? 0;
  const problems = [
    ...(await wrong(setting.told, runs)),
    ...leftProcesses.map((pid) => `process ${pid} was left behind`),
    ...growth(memory, options.builds),
  ];
  const each = (seconds: number) => seconds / options.builds;
  return {
    ...{ builds: options.builds, capacity: options.capacity, guest: options.guest },
    ...{ machine: await machine(), load: { before, after } },
    ...said,
    cpu: {
      ...{ server: each(used.server), worker: each(used.worker) },
      ...{ children: each(used.children), client: each(used.client) },
    },
    limit: limitOf(machineUsed, used, said.placeSeconds / (options.capacity * said.seconds)),
    memory,
    ...(await ceilingOf(setting, options, said.history.events.median, problems)),
    problems,
  };
}

/** What was measured before is worth more than a ceiling that is missing. */
async function ceilingOf(
  { client, server, folder }: Setting,
  { ceiling: count, capacity, signal, tell }: LoadOptions,
  events: number,
  problems: string[],
): Promise<Pick<LoadReport, 'ceiling'>> {
  if (count === 0) return {};
  try {
    const options = { atOnce: 2 * capacity, folder, signal, tell };
    return { ceiling: await measureCeiling(client, server, count, events, options) };
  } catch (error) {
    signal.throwIfAborted();
    problems.push((error as Error).message);
    return {};
  }
}

async function prepare(options: LoadOptions, stack: AsyncDisposableStack): Promise<Setting> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-load-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const server = await startTemporalServer(join(folder, 'server'), { signal: options.signal });
  stack.defer(() => server.stop());
  const connection = await Connection.connect({ address: server.address });
  stack.defer(() => connection.close());
  const told: LoadWorker = {
    ...{ address: server.address, capacity: options.capacity, guest: options.guest },
    ...{ home: join(folder, 'host'), store: join(folder, 'store') },
    workflows: join(folder, 'workflows.js'),
  };
  for (const place of [told.home, told.store]) await mkdir(place);
  await writeFile(told.workflows, (await bundleWorkflows()).code);
  return { folder, client: new Client({ connection }), server, told };
}

interface Measured {
  ids: string[];
  samples: Sample[];
  /** Seconds of CPU. */
  used: LoadReport['cpu'];
  machineUsed: MachineCpu;
  leftProcesses: number[];
}

/** Runs the builds with a worker, which has ended when this returns. */
async function measure(setting: Setting, options: LoadOptions): Promise<Measured> {
  const samples: Sample[] = [];
  const before = { server: await usageOf(setting.server.pid), client: process.cpuUsage() };
  let ids: string[];
  let used: LoadReport['cpu'];
  let machineUsed: MachineCpu;
  {
    await using worker = await startChild('worker.ts', setting.told, setting.folder);
    const first = await usageOf(worker.pid);
    samples.push({ done: 0, usage: first });
    const machineBefore = machineCpu();
    options.tell(`submitting ${options.builds} builds`);
    ids = await Promise.race([worker.failed, submitBuilds(setting.client, options.builds)]);
    await Promise.race([worker.failed, untilClosed(setting.client, worker, samples, options)]);
    used = await cpuOf(setting, before, first, worker);
    const { idle, busy } = machineCpu();
    machineUsed = { idle: idle - machineBefore.idle, busy: busy - machineBefore.busy };
  }
  return { ids, samples, used, machineUsed, leftProcesses: await processesOf(setting.told.home) };
}

async function untilClosed(client: Client, worker: Child, samples: Sample[], options: LoadOptions) {
  const { builds, patienceSeconds, signal } = options;
  await waitForAll(client, BUILD_WORKFLOW, builds, {
    ...{ patienceSeconds, signal },
    closed: async (done) => {
      const usage = await usageOf(worker.pid);
      samples.push({ done, usage });
      options.tell(`${done} of ${builds} builds, worker ${usage.rssMiB.toFixed(0)} MiB`);
    },
  });
}

async function cpuOf(
  { server }: Setting,
  before: { server: Usage; client: NodeJS.CpuUsage },
  first: Usage,
  worker: Child,
): Promise<LoadReport['cpu']> {
  const now = await usageOf(worker.pid);
  const { user, system } = process.cpuUsage(before.client);
  return {
    server: (await usageOf(server.pid)).cpuSeconds - before.server.cpuSeconds,
    worker: now.cpuSeconds - first.cpuSeconds,
    children: now.childrenCpuSeconds - first.childrenCpuSeconds,
    client: (user + system) / 1e6,
  };
}

/** Builds that were lost or published twice, and what they left on the host. */
async function wrong(told: LoadWorker, runs: readonly RunFigures[]): Promise<string[]> {
  const lost = runs.filter(({ outcome }) => outcome !== 'completed');
  const published = runs.flatMap(({ steps }) => steps.filter(({ first }) => first === true));
  const store = await createDirectoryStore({ directory: told.store });
  let records = 0;
  for await (const _ of store.listRecords('results/')) records++;
  const problems: string[] = [];
  if (lost.length > 0) problems.push(`${lost.length} builds were lost, the first is ${lost[0]?.outcome}`);
  if (records !== runs.length || published.length !== runs.length)
    problems.push(`of ${runs.length} builds there are ${records} records, and ${published.length} published`);
  for (const place of ['leases', 'scratch']) {
    const left = (await readdir(join(told.home, place))).filter((name) => name !== '.lock');
    if (left.length > 0) problems.push(`${left.length} left in ${place}, the first is ${left[0]}`);
  }
  return problems;
}
