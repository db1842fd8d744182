import { access, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Inputs } from './inputs.ts';
import { OWN_NAMESPACES, runTimed, type TimedLine } from './lines.ts';
import { layOutForObs, type ObsInputs } from './obs-build-inputs.ts';
import type { Bench, Peer, Spans } from './peer.ts';
import { lastLines } from './sbuild.ts';

/** Seconds for one build, cold and emulated. */
const TIME_LIMIT = 3600;

/** openSUSE's build script with nothing kept, in QEMU with the same processor, memory, kernel and sizes. */
export function obsBuildPeer({ folder, vmType, obsBuild }: Bench): Peer {
  const laid = new Map<string, ObsInputs>();
  return {
    name: 'obs-build',
    isLong: true,
    rounds: 'few',
    missing: () => missing(obsBuild),
    prepare: async (all) => {
      for (const inputs of all) {
        const into = join(folder, 'obs-build', inputs.source);
        await mkdir(into, { recursive: true });
        laid.set(inputs.source, await layOutForObs(inputs, into));
      }
    },
    measure: async (inputs) => {
      const of = laid.get(inputs.source);
      if (of === undefined || obsBuild === undefined) throw new TypeError('not prepared');
      const work = await mkdtemp(join(folder, 'obs-build-'));
      try {
        return await build(inputs, of, { checkout: resolve(obsBuild), vmType, work });
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    },
  };
}

async function missing(checkout: string | undefined): Promise<string | undefined> {
  if (checkout === undefined)
    return 'not given (--obs-build DIR or OBS_BUILD: a checkout of openSUSE’s obs-build)';
  for (const file of ['build', 'build-vm-qemu']) {
    const isThere = await access(join(checkout, file)).then(
      () => true,
      () => false,
    );
    if (!isThere) return `${checkout} is no checkout of obs-build: it has no ${file}`;
  }
  return process.getuid?.() === 0 ? undefined : 'needs root';
}

async function build(
  { request }: Inputs,
  { recipe, list, configuration }: ObsInputs,
  { checkout, vmType, work }: { checkout: string; vmType: string; work: string },
): Promise<Spans> {
  const { cpus, memoryMiB, diskMiB, swapMiB } = request.resources;
  const root = join(work, 'root');
  const ran = await runTimed(
    [
      ...OWN_NAMESPACES,
      ...[join(checkout, 'build'), '--clean', '--no-checks', '--logfile', join(work, 'build.log')],
      ...[
        '--root',
        root,
        '--vm-type',
        vmType,
        '--vm-disk',
        join(work, 'disk'),
        '--vm-swap',
        join(work, 'swap'),
      ],
      ...['--vm-memory', `${memoryMiB}`, '--jobs', `${cpus}`, '--vm-disk-filesystem', 'ext4'],
      ...['--vm-disk-size', `${diskMiB}`, '--vm-swap-size', `${swapMiB}`],
      ...['--dist', configuration, '--arch', 'x86_64', '--rpmlist', list, recipe],
    ] as [string, ...string[]],
    { cwd: work, env: environment(checkout, work), log: join(work, 'log'), timeoutSeconds: TIME_LIMIT },
  );
  const debs = await readdir(join(root, '.build.packages', 'DEBS')).catch(() => []);
  if (ran.exitCode !== 0 || !debs.some((name) => name.endsWith('.deb')))
    throw new Error(`obs-build failed:\n${lastLines(ran.lines)}`);
  return spansOfObsBuild(ran.lines, ran.seconds);
}

/** Without `qemu_console` build names no console to an emulated x86 guest, and nothing of its log comes out. */
function environment(checkout: string, home: string): Record<string, string> {
  const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
  return { PATH, HOME: home, BUILD_DIR: checkout, qemu_console: 'ttyS0' };
}

/**
 * build.script says by the guest's clock when the package's own build began and ended, so that what a log takes to
 * come out is no part of it. What comes before it ends where build itself begins to unpack the source, which it does
 * once more than the others.
 */
export function spansOfObsBuild(lines: readonly TimedLine[], seconds: number): Spans {
  const marks = lines.flatMap(({ at, text }) => {
    const found = /@@slipway (begin|end) (\d+\.\d+)/.exec(text);
    return found === null ? [] : [{ at, word: found[1], clock: Number(found[2]) }];
  });
  const begin = marks.find(({ word }) => word === 'begin');
  const end = marks.find(({ word }) => word === 'end');
  if (begin === undefined || end === undefined)
    throw new Error('obs-build’s log does not say when the build began and ended');
  const unpacking = lines.find(({ text }) => text.includes('dpkg-source: info: extracting'))?.at;
  return {
    before: Math.min(begin.at, unpacking ?? begin.at),
    own: end.clock - begin.clock,
    after: seconds - end.at,
  };
}
