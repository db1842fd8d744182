import type { Lock } from '../../schema/lock.ts';
import type { GuestCommand } from '../../vm/vm.ts';
import type { RequestOf } from '../recipe.ts';
import { addEntry } from './bin-nmu.ts';
import { BUILDER } from './build-root/skeleton.ts';
import { showHits, unpackSeed } from './ccache.ts';
import { environmentOf } from './environment.ts';

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
export function buildCommands(request: RequestOf<'debian'>, lock: Lock): GuestCommand[] {
  const { parts, crossFor, binNmu, ccache } = request.recipe.options;
  const { name, version, dsc } = lock.source;
  if (dsc === undefined) throw new TypeError('the lock of a Debian package names no .dsc');
  const env = environmentOf(request);
  const tree = `${name}-${upstreamVersion(version)}`;
  const command = (argv: [string, ...string[]], cwd: string): GuestCommand => ({
    argv,
    env,
    user: 'builder',
    cwd,
  });
  const inTree = (argv: [string, ...string[]]) => command(argv, `${WORK_DIRECTORY}/${tree}`);
  return [
    command(['mkdir', OUTPUT_DIRECTORY], BUILDER.home),
    ...(ccache === undefined ? [] : [unpackSeed(ccache, WORK_DIRECTORY, env)]),
    command(['dpkg-source', '--extract', dsc, tree], WORK_DIRECTORY),
    ...(binNmu === undefined ? [] : [inTree(addEntry(binNmu, crossFor ?? request.architecture))]),
    inTree([
      'dpkg-buildpackage',
      ...(crossFor === undefined ? [] : [`--host-arch=${crossFor}`]),
      '-us',
      '-uc',
      // A source package in the result is a whole one, also where an archive would have its upstream tarball already.
      ...(parts.includes('source') ? ['-sa'] : []),
      `--build=${[...new Set(parts)].sort().join(',')}`,
    ]),
    {
      ...command(['sh', '-c', COLLECT, 'collect', OUTPUT_DIRECTORY], WORK_DIRECTORY),
      title: 'collecting what the .changes file names',
    },
    ...(ccache === undefined ? [] : [showHits(env)]),
  ];
}

/** As dpkg-source names its folder: without epoch and Debian revision. */
function upstreamVersion(version: string): string {
  return version.replace(/^[0-9]+:/, '').replace(/-[^-]*$/, '');
}
