import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, mkdir, open, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { CODE } from './configuration.ts';
import {
  DEFAULT_PORT,
  type ServerRecord,
  serverDatabase,
  serverFolder,
  serverRecord,
  type TemporalAddress,
  UI_OFFSET,
} from './temporal-address.ts';

const START_SECONDS = 60;
const STOP_SECONDS = 10;

/** A development server that we started; ends with us, also when we are killed. */
export interface TemporalServer extends ServerRecord {
  logFile: string;
  /** Settles when the server ends, by `stop` or by itself. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Path of a Temporal command line that works: on PATH, else in the project's cache.
 * @throws SlipwayFailure HostUnfit
 */
export async function findTemporal(cache: string = join(CODE, '.slipway', 'bin')): Promise<string> {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), cache];
  for (const folder of folders) {
    const candidate = join(folder, 'temporal');
    if (await works(candidate)) return candidate;
  }
  throw new SlipwayFailure(
    'HostUnfit',
    'There is no Temporal server: no TEMPORAL_ADDRESS, no temporal on PATH.',
    {
      advice: 'Run scripts/setup, which brings one, or set TEMPORAL_ADDRESS to a server that runs.',
    },
  );
}

async function works(candidate: string): Promise<boolean> {
  try {
    await access(candidate, constants.X_OK);
    await run([candidate, '--version'], { timeout: 15_000, env: { HOME: '/nonexistent' } });
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a development server with database and log in `<state>/temporal`, with its Web UI, on the ports that this
 * folder's server had before (clients that wait go on), else on the usual ones, and where they are taken on others.
 * Returns when it answers.
 * @throws SlipwayFailure HostUnfit where it does not start
 */
export async function startTemporalServer(
  state: string,
  options: { executable?: string; signal?: AbortSignal; arguments?: readonly string[] } = {},
): Promise<TemporalServer> {
  await mkdir(serverFolder(state), { recursive: true });
  const folder = await realpath(serverFolder(state));
  const executable = options.executable ?? (await findTemporal());
  const { port, uiPort } = await freePorts(await serverRecord(state));
  const logFile = join(folder, 'server.log');
  const log = await open(logFile, 'w');
  const flags = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`, '--log-level', 'warn'];
  const command = [executable, 'server', 'start-dev', '--db-filename', serverDatabase(folder), ...flags];
  // Its own session, so that a Ctrl-C in the terminal reaches only us; the death signal, so that it never outlives us.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...command, ...(options.arguments ?? [])], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { PATH: process.env.PATH, HOME: folder },
  });
  const ended = new Promise<void>((settle) => {
    child.once('error', () => settle());
    child.once('exit', () => settle());
  });
  await log.close();
  const record = { address: `127.0.0.1:${port}`, webUrl: `http://localhost:${uiPort}`, pid: child.pid ?? 0 };
  const stop = () => stopChild(child, ended);
  try {
    await answering(record.address, ended, logFile, options.signal);
    await writeRecord(folder, record);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...record, logFile, ended, stop };
}

async function stopChild(child: ReturnType<typeof spawn>, ended: Promise<void>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_SECONDS * 1000);
  await ended;
  clearTimeout(timer);
}

async function writeRecord(folder: string, record: ServerRecord): Promise<void> {
  const target = join(folder, 'server.json');
  await writeFile(`${target}.new`, JSON.stringify(record));
  await rename(`${target}.new`, target);
}

async function answering(
  address: string,
  ended: Promise<void>,
  logFile: string,
  signal?: AbortSignal,
): Promise<void> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const deadline = performance.now() + START_SECONDS * 1000;
  while (!over && performance.now() < deadline) {
    signal?.throwIfAborted();
    if (await temporalAnswers({ address }, 'default', 2000)) return;
    await sleep(200);
  }
  const log = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n').slice(-8);
  const reason = over ? 'ended at once' : `did not answer within ${START_SECONDS} s`;
  throw new SlipwayFailure('HostUnfit', `The Temporal server ${reason}.`, {
    advice: `See ${logFile}; without its database (server.db beside it) it starts from nothing.`,
    lastLines: log,
  });
}

/**
 * Whether Temporal is there. A server of this home that does not run is not, whoever answers at its address now.
 * Never throws.
 */
export async function isThere(temporal: TemporalAddress, milliseconds?: number): Promise<boolean> {
  if (temporal.from === 'stopped') return false;
  return temporalAnswers(temporal.connection, temporal.namespace, milliseconds);
}

/** Whether a server answers at an address and has the namespace. Never throws. */
export async function temporalAnswers(
  connection: Parameters<typeof Connection.connect>[0],
  namespace: string,
  milliseconds?: number,
): Promise<boolean> {
  return (await askTemporal(connection, namespace, milliseconds)) === 'answers';
}

const NOT_FOUND = 5;

/** What a server says of a namespace. Never throws. */
export async function askTemporal(
  connection: Parameters<typeof Connection.connect>[0],
  namespace: string,
  milliseconds = 3000,
): Promise<'answers' | 'no namespace' | 'silent'> {
  try {
    // Without the SDK's retries: one that is waiting when the connection is closed ends the process.
    const options = { ...connection, connectTimeout: milliseconds, interceptors: [] };
    const connected = await Connection.connect(options);
    try {
      const call = () => connected.workflowService.describeNamespace({ namespace });
      await connected.withDeadline(Date.now() + milliseconds, call);
      return 'answers';
    } catch (error) {
      return (error as { code?: unknown }).code === NOT_FOUND ? 'no namespace' : 'silent';
    } finally {
      await connected.close();
    }
  } catch {
    return 'silent';
  }
}

async function freePorts(before: ServerRecord | undefined): Promise<{ port: number; uiPort: number }> {
  const usual = { port: DEFAULT_PORT, uiPort: DEFAULT_PORT + UI_OFFSET };
  const known = before === undefined ? [] : [{ port: portOf(before.address), uiPort: portOf(before.webUrl) }];
  for (const ports of [...known, usual]) {
    if ((await isFree(ports.port)) && (await isFree(ports.uiPort))) return ports;
  }
  return { port: await listenOnce(0), uiPort: await listenOnce(0) };
}

function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1]);
}

async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port).catch(() => 0)) === port;
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : port;
}
