import type { Lock } from '../../schema/lock.ts';
import type { GuestCommand } from '../../vm/vm.ts';
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

/** Runs each preinst as dpkg does at the first installation of a package: same arguments, same environment. */
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
  DPKG_MAINTSCRIPT_PACKAGE=$package DPKG_MAINTSCRIPT_ARCH=$architecture "$script" install </dev/null && continue
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

/** From the tree that preinstall left to one in which every package is configured. All texts are fixed. */
export const INSTALL_COMMANDS: readonly GuestCommand[] = [
  shell(FORBID_SERVICES),
  shell(RUN_PREINSTS),
  shell(UNPACK_DEFERRED),
  shell(NO_MANUAL_INDEX),
  root([...DPKG, '--configure', '--pending']),
  shell(AUDIT),
  root(['rm', POLICY]),
];

const STEPS = [
  'services could not be kept from starting',
  'a preinst script failed',
  'dpkg could not unpack a package',
  'debconf could not be told to leave out the index of manual pages',
  'dpkg could not configure a package',
  'dpkg found packages that are not installed right',
  'services could not be allowed again',
];

function shell(text: string): GuestCommand {
  return root(['sh', '-c', text]);
}

function root(argv: [string, ...string[]]): GuestCommand {
  return { argv, env: ENVIRONMENT, user: 'root', cwd: '/' };
}

/**
 * Says which packages failed to install. The names come from the end of the log, so only those that the lock has count,
 * and nothing but a message follows from them.
 * @param command index into the install commands of the plan
 */
export function explainInstallFailure(
  lock: Lock,
  command: number,
  lastLines: readonly string[],
): { message: string; items: string[] } {
  const known = new Set([...lock.base, ...lock.dependencies].map((entry) => entry.package));
  const start = lastLines.lastIndexOf(FAILED);
  const named = start < 0 ? [] : lastLines.slice(start + 1).map((line) => line.trim().replace(/:.*$/, ''));
  const items = [...new Set(named.filter((name) => known.has(name)))];
  const step = STEPS[command] ?? 'a command failed';
  return { message: items.length === 0 ? step : `${step}: ${items.join(', ')}`, items };
}
