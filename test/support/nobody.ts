import { chmod } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run } from '../../host/run.ts';
import { temporaryFolder } from './temporary-folder.ts';

const CHECKOUT = resolve(import.meta.dirname, '..', '..');

/**
 * Runs the command line as a user without any right, whose home is not there and cannot be made. It sees the checkout
 * through a mount of its own, so that it can read one that lies in a folder of root; the mount ends with the command.
 */
export async function slipwayAsNobody(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const [seen, folder] = [await temporaryFolder(), await temporaryFolder()];
  await chmod(folder, 0o755);
  const script = 'mount --bind -- "$1" "$2"; shift 2; exec "$@"';
  const mounted = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh'] as const;
  const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  return run([...mounted, CHECKOUT, seen, ...nobody, join(seen, 'client', 'slipway'), ...args], {
    accept: Array.from({ length: 255 }, (_, code) => code),
    cwd: '/',
    env: { HOME: '/nonexistent', SLIPWAY_HOME: join(folder, 'home'), ...env },
    timeout: 60_000,
  });
}
