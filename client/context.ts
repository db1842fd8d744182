import { Client, Connection } from '@temporalio/client';
import type { Command } from 'commander';
import type { Store } from '../stores/store.ts';
import { type Configuration, loadConfiguration } from '../workers/configuration.ts';
import { openStore } from '../workers/open-store.ts';
import { type TemporalAddress, temporalAddress } from '../workers/temporal-address.ts';
import { isThere } from '../workers/temporal-server.ts';
import { createSlipwayClient, type SlipwayClient } from './client.ts';
import { whyUnavailable } from './failures.ts';

/**
 * What a command works with. Its connection ends with the program and not before: closing it under a retry of the SDK
 * that is waiting for its turn throws out of a timer.
 */
export interface CommandContext {
  configuration: Configuration;
  store: Store;
  temporal: TemporalAddress;
  /** Absent where Temporal does not answer. */
  client?: Client;
  slipway: SlipwayClient;
}

/** The configuration that `--config` names, or the usual one. */
export function configurationOf(command: Command): Promise<Configuration> {
  return loadConfiguration(command.optsWithGlobals<{ config?: string }>().config);
}

export { openStore };

/**
 * Store, and Temporal where it answers; where it does not and the command does without, standard error says so.
 * @throws TemporalUnavailable where it does not and the command `needs` it
 */
export async function openContext(
  configuration: Configuration,
  needs: 'temporal' | 'store',
): Promise<CommandContext> {
  const store = await openStore(configuration);
  const { state } = configuration.directories;
  const temporal = await temporalAddress(state, configuration.temporal.webUrl);
  const online = await isThere(temporal, 3000);
  if (!online) {
    const why = await whyUnavailable(temporal, state);
    if (needs === 'temporal') throw why;
    console.error(`${why.message} Shown is only what ${store.location} knows.`);
  }
  const connection = online ? await Connection.connect(temporal.connection) : undefined;
  const client =
    connection === undefined ? {} : { client: new Client({ connection, namespace: temporal.namespace }) };
  const web = temporal.webUrl === undefined ? {} : { webUrl: temporal.webUrl };
  return {
    configuration,
    store,
    temporal,
    ...client,
    slipway: createSlipwayClient({ ...client, store, ...web }),
  };
}
