import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, expect, test } from 'vitest';
import { bundleWorkflows } from '../../workers/host-workers.ts';
import { readHistory } from './history-file.ts';

const FOLDER = fileURLToPath(new URL('./histories/', import.meta.url));
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  workflowBundle = await bundleWorkflows();
});

/** What no history covers no replay protects. */
test('there is a history for each way that a build can end', () => {
  const needed = ['succeeded.json', 'failed.json', 'cancelled.json'];
  expect(names).toEqual(expect.arrayContaining(needed));
});

test.each(names)('the workflow of today replays %s', async (name) => {
  await Worker.runReplayHistory({ workflowBundle }, readHistory(`${FOLDER}${name}`));
});

test('a history that is not of this workflow is noticed', async () => {
  const other = (text: string) => text.replaceAll('"fetchInputs"', '"somethingElse"');
  const history = readHistory(`${FOLDER}succeeded.json`, other);
  await expect(Worker.runReplayHistory({ workflowBundle }, history)).rejects.toThrow(
    DeterminismViolationError,
  );
});
