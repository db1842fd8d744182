import type { Lock } from '../../schema/lock.ts';
import type { BuildRequest } from '../../schema/request.ts';
import type { GuestCommand } from '../../vm/vm.ts';
import { BUILDER } from './build-root/skeleton.ts';

/** Where Debian's own build hosts build: the path shows in some results, so that the same here gives the same results. */
export const WORK_DIRECTORY = `${BUILDER.home}/reproducible-path`;

export const OUTPUT_DIRECTORY = `${BUILDER.home}/result`;

/** What a .changes file names is the result, and the file itself. `$1`: where to. */
const COLLECT = `
set -- "$1" *.changes
[ $# -eq 2 ] && [ -f "$2" ] || { echo "not one .changes file, but: $*" >&2; exit 1; }
sed -n '/^Checksums-Sha256:/,/^[^ ]/s/^ [0-9a-f]\\{64\\} [0-9]* //p' "$2" | xargs -d '\\n' mv -t "$1" -- "$2"
`;

/** The commands of the unprivileged builder: unpack, build, put the results in a folder of their own. */
export function buildCommands(request: BuildRequest, lock: Lock): GuestCommand[] {
  const { options } = request.recipe;
  const env = environment(request);
  const tree = `${lock.source.name}-${upstreamVersion(lock.source.version)}`;
  const command = (argv: [string, ...string[]], cwd: string): GuestCommand => ({
    argv,
    env,
    user: 'builder',
    cwd,
  });
  return [
    command(['mkdir', OUTPUT_DIRECTORY], BUILDER.home),
    command(['dpkg-source', '--extract', lock.source.dsc, tree], WORK_DIRECTORY),
    command(
      ['dpkg-buildpackage', '-us', '-uc', `--build=${[...new Set(options.parts)].sort().join(',')}`],
      `${WORK_DIRECTORY}/${tree}`,
    ),
    command(['sh', '-c', COLLECT, 'collect', OUTPUT_DIRECTORY], WORK_DIRECTORY),
  ];
}

/** What sbuild gives a build, and nothing else. */
function environment({ recipe: { options }, resources }: BuildRequest): Record<string, string> {
  const jobs = `parallel=${options.jobs ?? resources.cpus}`;
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games',
    HOME: '/nonexistent',
    USER: BUILDER.name,
    LOGNAME: BUILDER.name,
    SHELL: '/bin/sh',
    TERM: 'dumb',
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    DPKG_COLORS: 'never',
    DEB_BUILD_OPTIONS: [jobs, ...options.buildOptions].join(' '),
    ...(options.profiles.length === 0 ? {} : { DEB_BUILD_PROFILES: options.profiles.join(' ') }),
  };
}

/** As dpkg-source names its folder: without epoch and Debian revision. */
function upstreamVersion(version: string): string {
  return version.replace(/^[0-9]+:/, '').replace(/-[^-]*$/, '');
}
