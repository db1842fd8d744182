import proto from '@temporalio/proto';
import { expect, it, onTestFinished } from 'vitest';
import { createSlipwayClient } from '../../client/client.ts';
import { COMMON_QUEUE } from '../../workflows/names.ts';
import { requestFor, testStore } from '../support/build-host.ts';
import { startTemporal } from '../support/temporal.ts';

const { CommandType } = proto.temporal.api.enums.v1;

it('tells a build that no worker has taken from one whose worker is busy', async () => {
  const environment = await startTemporal();
  onTestFinished(() => environment.teardown());
  const { client } = environment;
  const { namespace } = client.options;
  const slipway = createSlipwayClient({ client, store: await testStore(onTestFinished) });
  const { id } = await slipway.start(requestFor('unanswered'));
  const noAnswer = async () => (await slipway.status(id)).noAnswer;
  expect(await noAnswer()).toBe('no-worker');

  // A worker by hand, which takes tasks and answers no query.
  const common = { namespace, identity: 'by hand', taskQueue: { name: COMMON_QUEUE } };
  const soon = <T>(poll: () => Promise<T>) => client.withDeadline(Date.now() + 30_000, poll);
  const { taskToken } = await soon(() => client.workflowService.pollWorkflowTaskQueue(common));
  expect(await noAnswer()).toBe('busy');

  const step = { name: 'steps' };
  const scheduleActivityTaskCommandAttributes = {
    activityId: '1',
    activityType: { name: 'resolveInputs' },
    taskQueue: step,
    startToCloseTimeout: { seconds: 600 as never },
  };
  await client.workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    commands: [
      {
        commandType: CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        scheduleActivityTaskCommandAttributes,
      },
    ],
  });
  expect(await noAnswer()).toBe('silent');
  await soon(() => client.workflowService.pollActivityTaskQueue({ ...common, taskQueue: step }));
  expect(await noAnswer()).toBe('busy');
});
