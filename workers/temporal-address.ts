import { existsSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';

import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { SlipwayFailure } from '../schema/failures.ts';

/** Where Temporal is, and who said so. */
export interface TemporalAddress {
  address: string;
  namespace: string;
  /** For `Connection.connect` and `NativeConnection.connect`. */
  connection: Pick<NativeConnectionOptions, 'address' | 'apiKey' | 'tls' | 'metadata'>;
  /** Base of its Web UI, where known. */
  webUrl?: string;
  /**
   * `environment`: TEMPORAL_* or its configuration file; `dev`: this home's own server, which runs; `stopped`: this
   * home's own server, which does not run (whatever answers at its address is another's); `default`: nobody.
   */
  from: 'environment' | 'dev' | 'stopped' | 'default';
}

/** What a development server says of itself, in `<state>/temporal/server.json`; stays there when it has ended. */
export interface ServerRecord {
  address: string;
  webUrl: string;
  pid: number;
}

export const DEFAULT_PORT = 7233;
/** A development server's Web UI is this much above its port, unless told otherwise. */
export const UI_OFFSET = 1000;
const UI_MILLISECONDS = 1000;

export function serverFolder(state: string): string {
  return join(state, 'temporal');
}

/**
 * Where Temporal is: `TEMPORAL_ADDRESS` and the other standard settings and file, else the server that `slipway dev`
 * or `build --local` runs for this state folder, or ran; else localhost, where it never had one.
 */
export async function temporalAddress(state: string, webUrl?: string): Promise<TemporalAddress> {
  const configured = environmentConfig();
  const namespace = configured.namespace ?? 'default';
  const { apiKey, tls, metadata, address } = configured.connectionOptions;
  const shared = {
    ...(apiKey == null ? {} : { apiKey }),
    ...(tls == null ? {} : { tls }),
    ...(metadata == null ? {} : { metadata: metadata as Record<string, string> }),
  };
  if (address) {
    const web = webUrl ?? (await foundWebUrl(address));
    return {
      address,
      namespace,
      connection: { ...shared, address },
      from: 'environment',
      ...(web === undefined ? {} : { webUrl: web }),
    };
  }
  const from = await ownServer(state);
  const server = await serverRecord(state);
  const found = server?.address ?? `127.0.0.1:${DEFAULT_PORT}`;
  const web = webUrl ?? server?.webUrl ?? (from === 'default' ? await foundWebUrl(found) : undefined);
  return {
    address: found,
    namespace,
    connection: { ...shared, address: found },
    from,
    ...(web === undefined ? {} : { webUrl: web }),
  };
}

function environmentConfig(): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig();
  } catch (error) {
    throw new SlipwayFailure('InvalidRequest', `Temporal's settings are wrong: ${(error as Error).message}`, {
      advice: 'Correct the TEMPORAL_* variables or the file that TEMPORAL_CONFIG_FILE names.',
      cause: error,
    });
  }
}

/** The newest development server of this state folder, whether it runs or not. */
export async function serverRecord(state: string): Promise<ServerRecord | undefined> {
  try {
    return JSON.parse(await readFile(join(serverFolder(state), 'server.json'), 'utf8')) as ServerRecord;
  } catch {
    return undefined;
  }
}

/** Database of a folder's server. It tells its process from that of another home that got the same pid. */
export function serverDatabase(folder: string): string {
  return join(folder, 'server.db');
}

async function ownServer(state: string): Promise<'dev' | 'stopped' | 'default'> {
  const record = await serverRecord(state);
  if (record !== undefined && (await runs(record, state))) return 'dev';
  return record !== undefined || existsSync(serverDatabase(serverFolder(state))) ? 'stopped' : 'default';
}

async function runs({ pid }: ServerRecord, state: string): Promise<boolean> {
  try {
    const database = serverDatabase(await realpath(serverFolder(state)));
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').includes(database);
  } catch {
    return false;
  }
}

/** The Web UI that a development server of this machine has at its usual distance, if it answers. */
async function foundWebUrl(address: string): Promise<string | undefined> {
  const match = /^(localhost|127\.0\.0\.1|\[::1\]):(\d+)$/.exec(address);
  if (match === null) return undefined;
  const url = `http://${match[1]}:${Number(match[2]) + UI_OFFSET}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(UI_MILLISECONDS) }).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.ok ? url : undefined;
}

/** Link to a workflow in the Web UI. */
export function workflowUrl(webUrl: string, namespace: string, id: string, run: string): string {
  return `${webUrl.replace(/\/$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(id)}/${encodeURIComponent(run)}`;
}
