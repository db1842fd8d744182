import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';

/** Fetches the Temporal server with the SDK's own download into a folder, as `temporal`, and starts it once. */
async function main(folder: string): Promise<void> {
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir: folder } },
  });
  await environment.teardown();
  const fetched = (await readdir(folder)).find((name) => name.startsWith('temporal-'));
  if (fetched === undefined) throw new Error(`the SDK left no server in ${folder}`);
  await rename(join(folder, fetched), join(folder, 'temporal'));
}

try {
  await main(process.argv[2] ?? '.slipway/bin');
} catch (error) {
  console.error(`setup: ${(error as Error).message.split('\n')[0]}`);
  process.exitCode = 1;
}
