import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOTS } from '../../images/build-roots/entries.ts';
import type { VmType } from '../../schema/request.ts';
import type { BuildResult } from '../../schema/result.ts';
import { resultRecord } from '../../workflows/names.ts';
import { buildThroughService } from '../service.ts';
import type { Inputs } from './inputs.ts';
import type { Bench, Peer, PeerName, Spans } from './peer.ts';

/** slipway from a request to the published result, with a server and a worker of its own; inputs are in its cache. */
export function slipwayPeers(bench: Bench): Peer[] {
  const peer = (name: PeerName, measure: Peer['measure']): Peer => ({
    name,
    isLong: name.startsWith('slipway'),
    rounds: name === 'container-warm' ? 'many' : 'few',
    missing: async () => undefined,
    prepare: async () => undefined,
    measure,
  });
  const cold = (type: VmType) => async (inputs: Inputs) => {
    const result = await withoutRoots(join(bench.home, 'cache', ROOTS), () => build(bench, inputs, type));
    if (result.statistics.install === undefined)
      throw new Error('a kept build root was used: this was no cold build');
    return spans(bench, result);
  };
  const warm = (type: VmType) => async (inputs: Inputs) => {
    let result = await build(bench, inputs, type);
    // The first one of a run without cold builds makes the root.
    if (result.statistics.install !== undefined) result = await build(bench, inputs, type);
    if (result.statistics.install !== undefined)
      throw new Error('no build root was kept: this was no warm build');
    return spans(bench, result);
  };
  return [
    peer('slipway-cold', cold(bench.vmType)),
    peer('slipway-warm', warm(bench.vmType)),
    peer('container-cold', cold('container')),
    peer('container-warm', warm('container')),
  ];
}

/** Kept build roots are put aside, and back beside those that the work made: warm builds of others go on from them. */
async function withoutRoots<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  const aside = `${folder}.aside`;
  await moveRoots(folder, aside);
  try {
    return await work();
  } finally {
    await moveRoots(aside, folder);
    await rm(aside, { recursive: true, force: true });
  }
}

/** Each is a folder. What is there already is newer. */
async function moveRoots(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const name of await readdir(from).catch(() => [])) {
    if (/^[0-9a-f]{64}$/.test(name) && !existsSync(join(to, name)))
      await rename(join(from, name), join(to, name));
  }
}

async function build({ folder, home }: Bench, { source }: Inputs, vmType: VmType): Promise<BuildResult> {
  const results = await mkdtemp(join(folder, 'slipway-'));
  try {
    return await buildThroughService(source, results, vmType, ownServer(process.env, home));
  } finally {
    await rm(results, { recursive: true, force: true });
  }
}

/** The environment without a Temporal server or a configuration of somebody's. */
function ownServer(env: NodeJS.ProcessEnv, home: string): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => !/^(TEMPORAL|SLIPWAY)_/.test(name));
  return { ...(Object.fromEntries(kept) as Record<string, string>), SLIPWAY_HOME: home };
}

async function spans({ home }: Bench, result: BuildResult): Promise<Spans> {
  const record = join(home, 'store', 'records', `${resultRecord(result.build, result.run)}@record`);
  return spansOf(result, (await stat(record)).mtimeMs);
}

/**
 * The guest times its commands, the workflow its phases. What lies between the end of the commands and the end of the
 * phase (list, sync, power-off, the supervisor) comes after; all that is left is before, whatever overlaps there.
 * @param publishedAt milliseconds since 1970
 */
export function spansOf(
  { startedAt, statistics }: Pick<BuildResult, 'startedAt' | 'endedAt' | 'statistics'>,
  publishedAt: number,
): Spans {
  const { build, phaseSeconds } = statistics;
  if (build === undefined) throw new Error('the build did not get as far as its guest');
  const published = (publishedAt - Date.parse(startedAt)) / 1000;
  const inPhase = Math.max(phaseSeconds.build ?? 0, build.seconds) - build.bootSeconds - build.commandSeconds;
  const leaving = published - statistics.totalSeconds;
  const after = inPhase + (phaseSeconds.extract ?? 0) + (phaseSeconds.upload ?? 0) + leaving;
  return { before: published - build.commandSeconds - after, own: build.commandSeconds, after };
}
