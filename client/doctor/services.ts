import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeRepositories } from '../../repositories/apt-repository.ts';
import { hostRepositories } from '../../repositories/host-sources.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { tryStore } from '../../stores/try-store.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { temporalAddress } from '../../workers/temporal-address.ts';
import { askTemporal, findTemporal, isThere } from '../../workers/temporal-server.ts';
import { openStore } from '../context.ts';
import { type Finding, failed, ok, warning } from './check.ts';

export async function checkServices(configuration: Configuration): Promise<Finding[]> {
  return Promise.all([
    checkStore(configuration),
    checkRepositories(configuration),
    checkTemporal(configuration),
  ]);
}

async function checkStore(configuration: Configuration): Promise<Finding> {
  try {
    const store = await openStore(configuration);
    await tryStore(store);
    return ok('store', store.location);
  } catch (error) {
    return fromError('store', error);
  }
}

async function checkRepositories({ repositories }: Configuration): Promise<Finding> {
  if (repositories !== undefined)
    return ok('repositories', `${describeRepositories(repositories)} (configured)`);
  const directory = await mkdtemp(join(tmpdir(), 'slipway-doctor-'));
  try {
    const found = await hostRepositories({ directory, signal: AbortSignal.timeout(60_000) });
    return ok('repositories', `${describeRepositories(found)} (this machine's apt sources)`);
  } catch (error) {
    return fromError('repositories', error);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function checkTemporal({ directories }: Configuration): Promise<Finding> {
  try {
    const temporal = await temporalAddress(directories.state);
    const { address, from } = temporal;
    if (await isThere(temporal)) return ok('temporal', `answers at ${address}`);
    if (
      from !== 'stopped' &&
      (await askTemporal(temporal.connection, temporal.namespace)) === 'no namespace'
    ) {
      const advice =
        'Set TEMPORAL_NAMESPACE to that of the workers, or make it: temporal operator namespace create.';
      return failed('temporal', `at ${address} has no namespace "${temporal.namespace}"`, advice);
    }
    const silent = from === 'stopped' ? "this home's server is not running" : `no answer at ${address}`;
    if (from === 'environment') {
      return failed(
        'temporal',
        silent,
        'Start it, or correct TEMPORAL_ADDRESS and the other TEMPORAL_* settings.',
      );
    }
    const executable = await findTemporal();
    return warning(
      'temporal',
      `${silent}; ${executable} can be started`,
      'slipway dev starts it, build --local too.',
    );
  } catch (error) {
    return fromError('temporal', error);
  }
}

function fromError(name: string, error: unknown): Finding {
  if (!(error instanceof SlipwayFailure)) return failed(name, (error as Error).message, 'See the message.');
  return failed(name, error.message, error.details().advice);
}
