import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmType } from '../../schema/request.ts';
import type { BuildResult } from '../../schema/result.ts';
import { resultRecord } from '../../workflows/names.ts';
import { buildThroughService } from '../service.ts';
import type { Inputs } from './inputs.ts';
import type { Bench, Peer, PeerName, Spans } from './peer.ts';

/** slipway from a request to the published result, with a server and a worker of its own; inputs are in its cache. */
export function slipwayPeers(bench: Bench): Peer[] {
  const peer = (name: PeerName, isLong: boolean, measure: Peer['measure']): Peer => ({
    name,
    isLong,
    missing: async () => undefined,
    prepare: async () => undefined,
    measure,
  });
  const cold = (type: VmType) => async (inputs: Inputs) => {
    await rm(join(bench.home, 'cache', 'build-roots'), { recursive: true, force: true });
    const result = await build(bench, inputs, type);
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
    peer('slipway-cold', true, cold(bench.vmType)),
    peer('slipway-warm', true, warm(bench.vmType)),
    peer('container-cold', true, cold('container')),
    peer('container-warm', false, warm('container')),
  ];
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
