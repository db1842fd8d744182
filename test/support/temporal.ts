import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { findTemporal } from '../../workers/temporal-server.ts';

/**
 * A real Temporal development server for the tests of one file; `teardown()` ends it.
 * @param namespaces beside the default one, for tests at the same time: hosts of one would take builds of another
 */
export async function startTemporal(namespaces: readonly string[] = []): Promise<TestWorkflowEnvironment> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const path = await findTemporal();
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      log: { format: 'json', level: 'error' },
      extraArgs: namespaces.flatMap((name) => ['--namespace', name]),
    },
  });
}
