import { BuildResult } from '../schema/result.ts';
import { logStream, resultRecord } from '../workflows/names.ts';
import { activity } from './activity.ts';
import type { AnywhereActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';

/** The commit point. Only then the live log goes: the result names the blob that has all of it. */
export function publishResult({ store }: Pick<Dependencies, 'store'>): AnywhereActivities['publishResult'] {
  return activity('publish', async (_context, result) => {
    const record = resultRecord(result.build, result.run);
    const { first, bytes } = await store.publish(record, Buffer.from(JSON.stringify(result)));
    await store.deleteLog(logStream(result.run));
    return { first, result: BuildResult.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))) };
  });
}
