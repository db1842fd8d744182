import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import { run } from '../../host/run.ts';
import type { Store } from '../../stores/store.ts';
import { createTestHost, fakeResolver, type TestHostOptions, testStore } from './build-host.ts';
import { temporaryFolder } from './temporary-folder.ts';

const MAIN = resolve(import.meta.dirname, '..', '..', 'client', 'main.ts');

/** Of a guest that a fake host has room for. */
export const SMALL = ['--memory', '256 MiB', '--disk', '32 MiB', '--swap', '16 MiB', '--cpus', '1'];

/** A person's shell in an empty folder. */
export interface Shell {
  folder: string;
  store: Store;
  argv: (...args: string[]) => [string, ...string[]];
  env: Record<string, string>;
  /** Runs the command line to its end; every exit code is an answer. */
  slipway: (...args: string[]) => Promise<{ stdout: string; stderr: string; exitCode: number }>;
}

/** A shell, and a host with fake guests that builds what it asks for. Both are gone when the test ends. */
export async function openShell({
  resolverOf = fakeResolver,
  ...options
}: Pick<TestHostOptions, 'environment' | 'workflowBundle' | 'scenario'> & {
  resolverOf?: typeof fakeResolver;
}): Promise<Shell> {
  const store = await testStore(onTestFinished);
  const host = await createTestHost({
    defer: onTestFinished,
    store,
    resolver: resolverOf(store),
    ...options,
  });
  await host.start();
  const folder = await temporaryFolder();
  const home = await temporaryFolder();
  await writeFile(join(home, 'slipway.yaml'), `store: {directory: ${JSON.stringify(store.location)}}\n`);
  const env = { SLIPWAY_HOME: home, TEMPORAL_ADDRESS: options.environment.address ?? '' };
  const argv: Shell['argv'] = (...args) => [process.execPath, MAIN, ...args];
  const slipway: Shell['slipway'] = (...args) =>
    run(argv(...args), { accept: [1, 2, 3, 4, 5, 130], cwd: folder, env, timeout: 90_000 });
  return { folder, store, argv, env, slipway };
}
