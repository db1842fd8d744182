import { run } from '../../host/run.ts';
import type { GuestCommand } from '../../vm/vm.ts';

/** What a package's scripts and a build need; not among it: mounting, devices, the network, the host's settings. */
const CAPABILITIES = '-all,+chown,+dac_override,+fowner,+fsetid,+setuid,+setgid,+setfcap,+kill,+sys_chroot';

/** Runs in namespaces of its own: what it mounts and starts is gone when it ends. */
const ENTER = `
set -e
tree=$1; shift
mount -t proc proc "$tree/proc"
mount --bind -o ro "$tree/proc/sys" "$tree/proc/sys"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for node in null zero full random urandom tty; do
  : > "$tree/dev/$node"; mount --bind "/dev/$node" "$tree/dev/$node"
done
mkdir "$tree/dev/shm" "$tree/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$tree/dev/pts"
ln -s pts/ptmx "$tree/dev/ptmx"; ln -s /proc/self/fd "$tree/dev/fd"
hostname slipway; busybox ip link set lo up
exec "$@"
`;

/**
 * Runs a command of a recipe's plan in a build root on this host, as a guest would: in namespaces of its own, without
 * network but loopback, as the command's user, with its environment alone. For tests and for measuring, with packages
 * that are trusted: a chroot is no guest.
 * @throws CommandFailed
 */
export async function runInChroot(
  tree: string,
  command: GuestCommand,
  options: { signal?: AbortSignal; timeout?: number } = {},
): Promise<{ stdout: string; stderr: string }> {
  const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child'];
  const user = command.user === 'builder' ? ['--userspec=1000:1000', '--groups='] : [];
  const variables = Object.entries(command.env).map(([name, value]) => `${name}=${value}`);
  return run(
    [
      ...['unshare', ...namespaces, '--propagation', 'private', 'sh', '-c', ENTER, 'enter', tree],
      ...[
        'setpriv',
        '--no-new-privs',
        `--bounding-set=${CAPABILITIES}`,
        '--inh-caps=-all',
        'chroot',
        ...user,
      ],
      ...[
        tree,
        '/usr/bin/env',
        '--ignore-environment',
        `--chdir=${command.cwd}`,
        ...variables,
        ...command.argv,
      ],
    ] as [string, ...string[]],
    options,
  );
}
