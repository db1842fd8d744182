import type { GuestCommand } from '../../vm/vm.ts';
import { BUILDER } from './build-root/skeleton.ts';

/** Where Debian's ccache has compilers under their own names. */
export const CCACHE_PROGRAMS = '/usr/lib/ccache';

const FOLDER = `${BUILDER.home}/ccache`;

export const CCACHE_VARIABLES = { CCACHE_DIR: FOLDER };

/** Name of the seed among the files of a build: no source package has a file of that name. */
export function seedName(digest: string): string {
  return `ccache-seed-${digest}.tar`;
}

/**
 * A copy of the seed as the builder, in the guest: the host never reads the archive, and what the build adds dies with
 * the guest. Counters begin anew, so that the last words of the log tell what came from the seed.
 * `$1`: the archive, `$2`: the folder.
 */
const UNPACK = `
mkdir "$2" && tar --extract --no-same-owner --no-same-permissions --directory="$2" --file="$1" && rm "$1" || {
  echo "the seed of ccache cannot be unpacked: it must be a tar, plain or packed by gzip or xz" >&2; exit 1; }
[ ! -d "$2/ccache" ] || [ -e "$2/ccache.conf" ] || [ -e "$2/CACHEDIR.TAG" ] || {
  echo "the seed of ccache has a folder ccache at its top: pack the content of the folder, not the folder" >&2; exit 1; }
ccache --zero-stats
`;

/** Unpacks the seed; run in the folder of the sources. */
export function unpackSeed(digest: string, folder: string, env: Record<string, string>): GuestCommand {
  const argv = ['sh', '-c', UNPACK, 'seed', `${folder}/${seedName(digest)}`, FOLDER] as const;
  return { argv: [...argv], env, user: 'builder', cwd: BUILDER.home };
}

/** Says in the log how many compilations came from the seed. */
export function showHits(env: Record<string, string>): GuestCommand {
  return { argv: ['ccache', '--show-stats'], env, user: 'builder', cwd: BUILDER.home };
}
