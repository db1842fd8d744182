/** `npm run bench:peers`: slipway beside others that build Debian packages. See README.md beside and `--help`. */
import { rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inputsOf } from '../../schema/lock.ts';
import { slipwayHome } from '../../workers/configuration.ts';
import { machine } from '../machine.ts';
import { barsOf, exitCodeOf } from './bars.ts';
import { chrootPeer } from './chroot.ts';
import { fetchInputs, type Inputs } from './inputs.ts';
import { leftBehind } from './left-behind.ts';
import { rangeOf } from './measurement.ts';
import { obsBuildPeer } from './obs-build.ts';
import { type BenchOptions, optionsFrom, USAGE, WrongOption } from './options.ts';
import type { Bench, Peer } from './peer.ts';
import { RunRecord } from './record.ts';
import { type Absent, markdown, type Report } from './report.ts';
import { digestOfInputs, measureAll, measureExtraction } from './run.ts';
import { sbuildPeer } from './sbuild.ts';
import { slipwayPeers } from './slipway.ts';

const say = (line: string) => process.stderr.write(`${line}\n`);

try {
  const options = optionsFrom(process.argv.slice(2), process.env);
  if (options === undefined) process.stdout.write(`${USAGE}\n`);
  else process.exitCode = await bench(options);
} catch (error) {
  say(error instanceof WrongOption ? `${error.message}\n\n${USAGE}` : `${(error as Error).message}`);
  process.exitCode = 2;
}

async function bench(options: BenchOptions): Promise<number> {
  const home = join(slipwayHome(), 'bench', 'peers');
  await mkdir(home, { recursive: true });
  await forget(home);
  const { vmType, obsBuild } = options;
  const of = { machine: await machine(), vmType };
  const record = await RunRecord.open(resolve(options.resume ?? join(home, `${fileStamp()}.jsonl`)), of);
  say(`measurements are kept in ${record.file}; --resume with it goes on where this run ends`);
  const folder = await mkdtemp(join(tmpdir(), 'slipway-peers-'));
  // After what it interrupts has been killed: see lines.ts.
  const wipe = () => rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  process.once('exit', wipe);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  try {
    // A peer that gives up its rights must get to its own folder in it.
    await chmod(folder, 0o711);
    const report = await measured(options, { folder, home, vmType, obsBuild }, record, of.machine);
    process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : `${markdown(report)}\n`);
    const left = await leftBehind([folder, ...worked(home)]);
    for (const one of left) say(`left behind: ${one}`);
    return left.length > 0 ? 2 : exitCodeOf(report.bars);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where a slipway has what it runs; a record in its home may be on the command line of whoever called this. */
function worked(home: string): string[] {
  return [join(home, 'state'), join(home, 'scratch')];
}

/**
 * A build of a run that was cut off is still open for its Temporal server: the next one would join it.
 * @throws Error where something of that run is still there
 */
async function forget(home: string): Promise<void> {
  const left = await leftBehind(worked(home));
  if (left.length > 0)
    throw new Error(
      `There still is, of another run of this benchmark:\n${left.join('\n')}\nLet it end, or end it.`,
    );
  for (const name of ['state/temporal', 'state/leases', 'scratch'])
    await rm(join(home, name), { recursive: true, force: true });
}

async function measured(options: BenchOptions, bench: Bench, record: RunRecord, on: string): Promise<Report> {
  const all = await inputsOfAll(options.sources, bench.home, record);
  const { peers: there, absent } = await present(options, bench);
  const peers = await prepared(there, all, absent);
  const { rounds, longRounds, minutes } = options;
  const failed = await measureAll({ all, peers, record, rounds: { rounds, longRounds }, minutes, say });
  if (options.peers.includes('extraction')) await measureExtraction(record, say);
  const { measurements, extraction } = record;
  return {
    ...{ machine: on, vmType: bench.vmType },
    load: rangeOf(
      [...measurements, ...(extraction === undefined ? [] : [extraction])].map(({ load }) => load),
    ),
    packages: all.map(({ source, lock }) => {
      const files = inputsOf(lock);
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      return { source, version: lock.source.version, files: files.length, bytes };
    }),
    ...{ measurements, extraction, absent: [...absent, ...failed] },
    bars: barsOf(options.sources, measurements, extraction),
  };
}

async function inputsOfAll(sources: readonly string[], home: string, record: RunRecord): Promise<Inputs[]> {
  const all: Inputs[] = [];
  for (const source of sources) {
    say(`           inputs of ${source} (not counted) …`);
    const inputs = await fetchInputs(source, home);
    await record.inputs(source, digestOfInputs(inputs));
    all.push(inputs);
  }
  return all;
}

/** Who is there, and who is not and why: said at once, for whoever could still bring it. */
async function present(
  { peers: wanted }: BenchOptions,
  bench: Bench,
): Promise<{ peers: Peer[]; absent: Absent[] }> {
  const known = [...slipwayPeers(bench), obsBuildPeer(bench), sbuildPeer(bench), chrootPeer(bench)];
  const peers: Peer[] = [];
  const absent: Absent[] = [];
  for (const peer of known) {
    const why = wanted.includes(peer.name) ? await peer.missing() : 'left out by --peers';
    if (why === undefined) peers.push(peer);
    else absent.push({ peer: peer.name, why });
  }
  if (!wanted.includes('extraction')) absent.push({ peer: 'extraction', why: 'left out by --peers' });
  for (const { peer, why } of absent) say(`${peer}: ${why}`);
  return { peers, absent };
}

/** Whoever cannot be prepared is absent too. */
async function prepared(there: readonly Peer[], all: readonly Inputs[], absent: Absent[]): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const peer of there) {
    say(`           preparing ${peer.name} (not counted) …`);
    try {
      await peer.prepare(all);
      peers.push(peer);
    } catch (error) {
      const why = `could not be prepared: ${(error as Error).message}`;
      say(`${peer.name}: ${why}`);
      absent.push({ peer: peer.name, why: why.split('\n')[0] ?? why });
    }
  }
  return peers;
}

function fileStamp(): string {
  return new Date().toISOString().replaceAll(':', '-');
}
