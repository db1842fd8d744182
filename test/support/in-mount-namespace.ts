import { run } from '../../host/run.ts';

/**
 * Mounts `source` on `target` and runs a command, in a mount namespace of its own: whatever happens, the mount and its
 * loop device (autoclear) end with the command.
 * @param mount type, options, source, target
 */
export async function withMount(
  mount: readonly [type: string, options: string, source: string, target: string],
  command: readonly [string, ...string[]],
): Promise<string> {
  const script = 'mount -t "$1" -o "$2" -- "$3" "$4"; shift 4; exec "$@"';
  const { stdout } = await run([
    ...(['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh'] as const),
    ...mount,
    ...command,
  ]);
  return stdout;
}
