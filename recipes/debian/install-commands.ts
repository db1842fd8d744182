import type { Lock } from '../../schema/lock.ts';
import type { GuestCommand } from '../../vm/vm.ts';
import type { BuildPlan } from '../recipe.ts';
import { DEFERRED_PACKAGES } from './build-root/skeleton.ts';

/** What comes in dpkg's own words before the names of packages that failed, also where we run their scripts. */
const FAILED = 'Errors were encountered while processing:';

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  USER: 'root',
  LOGNAME: 'root',
  SHELL: '/bin/sh',
  TERM: 'dumb',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
  DEBCONF_NONINTERACTIVE_SEEN: 'true',
  DPKG_COLORS: 'never',
};

/**
 * Options of every dpkg: no questions about configuration files; no waiting for a disk that is thrown away if the guest
 * dies.
 */
const DPKG = ['dpkg', '--force-confdef', '--force-confold', '--force-unsafe-io'] as const;

/** Debian's way to say that no service may be started, for the time of the installation. */
const POLICY = '/usr/sbin/policy-rc.d';
const FORBID_SERVICES = `printf '#!/bin/sh\\nexit 101\\n' > ${POLICY} && chmod 755 ${POLICY}`;

/**
 * The index of manual pages is for readers; man-db's own switch for build hosts. Where man-db is not to be installed,
 * nothing.
 */
const NO_MANUAL_INDEX = `
[ -e /var/lib/dpkg/info/man-db.list ] || exit 0
echo 'man-db man-db/auto-update boolean false' | debconf-set-selections
`;

/**
 * Runs each preinst as dpkg does at the first installation of a package: same arguments, same environment. And
 * debconf's own word for whose script it is, which it would otherwise read from where dpkg unpacks control files.
 */
const RUN_PREINSTS = `
DPKG_RUNNING_VERSION=$(dpkg-query --show --showformat='\${Version}' dpkg) || exit
export DPKG_RUNNING_VERSION DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg
export DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_DEBUG=0 DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
dpkg-query --show --showformat='\${binary:Package} \${Package} \${Architecture}\\n' |
while read -r id package architecture; do
  script=/var/lib/dpkg/info/$id.preinst
  # Of a package for another architecture the id has it, its files only where they can be there twice.
  [ -e "$script" ] || script=/var/lib/dpkg/info/$package.preinst
  [ -x "$script" ] || continue
  DPKG_MAINTSCRIPT_PACKAGE=$package DPKG_MAINTSCRIPT_ARCH=$architecture DEBCONF_PACKAGE=$package "$script" install </dev/null && continue
  printf '${FAILED}\\n %s\\n' "$id" >&2
  exit 1
done
`;

/** What the host did not unpack; `--force-depends`: nothing is configured yet, also not what Pre-Depends name. */
const UNPACK_DEFERRED = `
[ -d ${DEFERRED_PACKAGES} ] || exit 0
${DPKG.join(' ')} --force-depends --unpack ${DEFERRED_PACKAGES}/*.deb && rm -r ${DEFERRED_PACKAGES}
`;

/** dpkg's audit ends well whatever it finds: what counts is that it says nothing. */
const AUDIT = `
problems=$(dpkg --audit) && [ -z "$problems" ] && exit 0
printf '%s\\n' "$problems" >&2
exit 1
`;

/**
 * From a tree that preinstall left, or an installed base and packages beside it, to one in which every package is
 * configured. All texts are fixed. Titles say what it means where one fails.
 */
export function installCommands(architectures: readonly string[] = []): BuildPlan['install'] {
  const forbid = shell('services could not be kept from starting', FORBID_SERVICES);
  const configure = [
    shell('dpkg could not unpack a package', UNPACK_DEFERRED),
    shell('debconf could not be told to leave out the index of manual pages', NO_MANUAL_INDEX),
    root('dpkg could not configure a package', [...DPKG, '--configure', '--pending']),
    shell('dpkg found packages that are not installed right', AUDIT),
    root('services could not be allowed again', ['rm', POLICY]),
  ];
  const foreign = architectures.map((name) =>
    root(`dpkg does not take packages of ${name}`, ['dpkg', '--add-architecture', name]),
  );
  return {
    unpacked: [forbid, shell('a preinst script failed', RUN_PREINSTS), ...configure],
    onBase: [forbid, ...foreign, ...configure],
  };
}

function shell(title: string, text: string): GuestCommand {
  return root(title, ['sh', '-c', text]);
}

function root(title: string, argv: [string, ...string[]]): GuestCommand {
  return { title, argv, env: ENVIRONMENT, user: 'root', cwd: '/' };
}

/** The install phase of a lock; what it brings for other architectures dpkg has to know of first. */
export function installOf(lock: Lock): Pick<BuildPlan, 'install' | 'packagesDirectory'> {
  const foreign = lock.dependencies
    .map(({ architecture }) => architecture)
    .filter((name) => name !== 'all' && name !== lock.architecture);
  return { install: installCommands([...new Set(foreign)].sort()), packagesDirectory: DEFERRED_PACKAGES };
}

/**
 * Says which packages failed to install. The names come from the end of the log, so only those that the lock has count,
 * and nothing but a message follows from them.
 * @param title of the command that failed
 */
export function explainInstallFailure(
  lock: Lock,
  title: string | undefined,
  lastLines: readonly string[],
): { message: string; items: string[] } {
  const known = new Set([...lock.base, ...lock.dependencies].map((entry) => entry.package));
  const start = lastLines.lastIndexOf(FAILED);
  const named = start < 0 ? [] : lastLines.slice(start + 1).map((line) => line.trim().replace(/:.*$/, ''));
  const items = [...new Set(named.filter((name) => known.has(name)))];
  const step = title ?? 'a command failed';
  return { message: items.length === 0 ? step : `${step}: ${items.join(', ')}`, items };
}
