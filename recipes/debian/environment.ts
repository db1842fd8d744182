import type { RequestOf } from '../recipe.ts';
import { BUILDER } from './build-root/skeleton.ts';
import { CCACHE_PROGRAMS, CCACHE_VARIABLES } from './ccache.ts';
import type { DebianOptions } from './options.ts';

/** What every command of a builder has, whatever is built. */
export const BUILDER_ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games',
  USER: BUILDER.name,
  LOGNAME: BUILDER.name,
  SHELL: '/bin/sh',
  TERM: 'dumb',
  LANG: 'C.UTF-8',
  LC_ALL: 'C.UTF-8',
};

/** What sbuild gives a build, and nothing else. */
export function environmentOf({
  recipe: { options },
  resources,
}: RequestOf<'debian'>): Record<string, string> {
  const profiles = profilesOf(options);
  const { PATH } = BUILDER_ENVIRONMENT;
  return {
    ...BUILDER_ENVIRONMENT,
    HOME: '/nonexistent',
    DPKG_COLORS: 'never',
    DEB_BUILD_OPTIONS: buildOptions(options, profiles, options.jobs ?? resources.cpus).join(' '),
    ...(profiles.length === 0 ? {} : { DEB_BUILD_PROFILES: profiles.join(' ') }),
    ...(options.crossFor === undefined
      ? {}
      : { CONFIG_SITE: `/etc/dpkg-cross/cross-config.${options.crossFor}` }),
    ...(options.ccache === undefined ? {} : { PATH: `${CCACHE_PROGRAMS}:${PATH}`, ...CCACHE_VARIABLES }),
  };
}

/** As sbuild: what is built for another architecture cannot run its tests, unless the request says otherwise. */
export function profilesOf({ profiles, crossFor }: DebianOptions): readonly string[] {
  return crossFor !== undefined && profiles.length === 0 ? ['cross', 'nocheck'] : profiles;
}

/** Who leaves out what tests need must leave out the tests: packages ask for the option, not for the profile. */
function buildOptions(
  { buildOptions: asked, debugPackages }: DebianOptions,
  profiles: readonly string[],
  jobs: number,
): string[] {
  const implied = [
    ...(profiles.includes('nocheck') ? ['nocheck'] : []),
    ...(debugPackages === false ? ['noautodbgsym'] : []),
  ];
  return [...new Set([`parallel=${jobs}`, ...asked, ...implied])];
}
