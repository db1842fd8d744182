import { existsSync } from 'node:fs';
import { SlipwayFailure } from '../../schema/failures.ts';
import { LAUNCH_PROGRAMS } from '../launch.ts';

/** Programs of the host that start a container, with their Debian packages. */
const PROGRAMS: Readonly<Record<string, string>> = {
  perl: 'perl-base',
  mount: 'mount',
  taskset: 'util-linux',
  ...Object.fromEntries(LAUNCH_PROGRAMS.map((program) => [program, 'util-linux'])),
};
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * What can be seen without trying; the rest the probe finds out.
 * @throws SlipwayFailure HostUnfit
 */
export function requireHost(processor: string = process.arch): void {
  if (process.getuid?.() !== 0) {
    throw new SlipwayFailure(
      'HostUnfit',
      'a container is started by root, whose rights its guest never has',
      {
        advice: 'Run the worker as root.',
      },
    );
  }
  if (processor !== 'x64') {
    throw new SlipwayFailure('HostUnfit', `containers run on amd64 hosts only, not on ${processor}`, {
      advice: 'Use another VM type here.',
    });
  }
  for (const [program, from] of Object.entries(PROGRAMS)) {
    if (FOLDERS.some((folder) => existsSync(`${folder}/${program}`))) continue;
    throw new SlipwayFailure('HostUnfit', `${program} is not installed`, {
      advice: `Install the package ${from}.`,
    });
  }
  if (!existsSync('/proc/self/ns/user')) {
    throw new SlipwayFailure('HostUnfit', "the host's kernel has no user namespaces", {
      advice: 'Run a kernel with CONFIG_USER_NS, or use another VM type.',
    });
  }
}
